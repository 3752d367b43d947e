"""Clients that we did not write read what our relay publishes and write what our ingest takes. On both brokers."""

import asyncio
import shutil
import subprocess
import warnings
from collections.abc import Callable
from datetime import UTC, datetime

import aiokafka
import pytest

from bevyly.clock import FixedClock
from bevyly.events.bus import Publisher
from bevyly.events.envelope import Event, new_event
from bevyly.events.topics import create_topics
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.intake.messages import read as read_event
from tests.support.kafka_clients import consumer, eventually

with warnings.catch_warnings():
    # it reads its own files in a way that Python discourages
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka

TOPIC = "bevyly.domain"
MESSAGES = 300
GROUP_SECONDS = 20
Pairs = list[tuple[bytes, bytes]]


def notes(tenant: str) -> list[Event]:
    return [
        new_event(
            "note.created",
            tenant_id=tenant,
            subject=("activity", activity),
            sequence=1,
            data={"activity_id": activity, "kind": "note", "direction": "internal"},
            clock=FixedClock(datetime(2026, 11, 23, tzinfo=UTC)),
        )
        for activity in (new_id() for _ in range(MESSAGES))
    ]


@pytest.fixture
def settings(brokers: str) -> Settings:
    settings = Settings(kafka_brokers=brokers)
    create_topics(settings)
    return settings


@pytest.fixture
def published(settings: Settings) -> Pairs:
    """What one tenant published, as the relay does it: its key and the envelopes in their order."""
    tenant = new_id()
    publisher = Publisher(settings)
    pairs = [(tenant.encode(), event.to_json()) for event in notes(tenant)]
    for key, value in pairs:
        publisher.send(TOPIC, key=key, value=value)
    publisher.flush()
    return pairs


def kcat(*arguments: str, input: str | None = None) -> str:
    if shutil.which("kcat") is None:
        pytest.skip("needs kcat, which this machine lacks: install it (Debian: apt-get install kcat)")
    done = subprocess.run(["kcat", *arguments], input=input, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_by_kcat(brokers: str, group: str) -> Pairs:
    options = ("-X", "auto.offset.reset=earliest", "-X", "enable.partition.eof=true")
    lines = kcat("-b", brokers, "-q", "-e", "-K", "\t", *options, "-G", group, TOPIC).splitlines()
    return [(key.encode(), value.encode()) for key, _, value in (line.partition("\t") for line in lines)]


def write_by_kcat(brokers: str, pairs: Pairs) -> None:
    lines = "".join(f"{key.decode()}\t{value.decode()}\n" for key, value in pairs)
    kcat("-b", brokers, "-P", "-t", TOPIC, "-K", "\t", "-z", "lz4", "-X", "acks=all", input=lines)


def read_by_kafka_python(brokers: str, group: str) -> Pairs:
    client = kafka.KafkaConsumer(
        TOPIC, bootstrap_servers=brokers, group_id=group, auto_offset_reset="earliest", consumer_timeout_ms=4_000
    )
    try:
        pairs = [(message.key, message.value) for message in client]
        client.commit()
    finally:
        client.close()
    return pairs


def write_by_kafka_python(brokers: str, pairs: Pairs) -> None:
    client = kafka.KafkaProducer(bootstrap_servers=brokers, enable_idempotence=True, acks="all", compression_type="lz4")
    try:
        for sent in [client.send(TOPIC, key=key, value=value) for key, value in pairs]:
            sent.get(GROUP_SECONDS)
    finally:
        client.close()


def read_by_aiokafka(brokers: str, group: str) -> Pairs:
    async def read() -> Pairs:
        client = aiokafka.AIOKafkaConsumer(
            TOPIC, bootstrap_servers=brokers, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
        )
        pairs: Pairs = []
        async with client:
            while batch := await client.getmany(timeout_ms=4_000):
                pairs += [(message.key, message.value) for part in batch.values() for message in part]
            await client.commit()
        return pairs

    return asyncio.run(read())


def write_by_aiokafka(brokers: str, pairs: Pairs) -> None:
    async def write() -> None:
        async with aiokafka.AIOKafkaProducer(
            bootstrap_servers=brokers, enable_idempotence=True, acks="all", compression_type="lz4"
        ) as client:
            for key, value in pairs:
                await client.send(TOPIC, key=key, value=value)

    asyncio.run(write())


@pytest.mark.parametrize("read", [read_by_kcat, read_by_kafka_python, read_by_aiokafka])
def test_a_foreign_client_reads_what_we_publish(
    brokers: str, published: Pairs, read: Callable[[str, str], Pairs]
) -> None:
    group = f"foreign.{new_id()}"
    tenant = published[0][0]
    assert [pair for pair in read(brokers, group) if pair[0] == tenant] == published


@pytest.mark.parametrize("write", [write_by_kcat, write_by_kafka_python, write_by_aiokafka])
def test_we_read_what_a_foreign_client_writes(
    brokers: str, settings: Settings, write: Callable[[str, Pairs], None]
) -> None:
    tenant = new_id()
    sent = notes(tenant)
    write(brokers, [(tenant.encode(), event.to_json()) for event in sent])
    found: list[Event] = []

    with consumer(brokers) as client:
        client.subscribe([TOPIC])

        def receive() -> None:
            ours = [message for message in client.consume(1_000, 0.1) if message.key() == tenant.encode()]
            found.extend(read_event(TOPIC, message.value())[0] for message in ours)

        assert eventually(lambda: len(found) >= MESSAGES, receive)
    assert found == sent
