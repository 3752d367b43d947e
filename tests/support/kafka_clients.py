"""Short forms of confluent-kafka for the broker's behaviour suite; nothing here knows which broker answers."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

SECONDS = 40.0


def new_topic(brokers: str, *, partitions: int = 1, **settings: str) -> str:
    """A fresh topic of the given settings (underscores stand for dots), with all its partitions served."""
    name = f"test.{uuid.uuid4().hex}"
    config = {key.replace("_", "."): value for key, value in settings.items()}
    admin(brokers).create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(SECONDS)
    assert eventually(lambda: _served(brokers, name, partitions), lambda: None)
    return name


def _served(brokers: str, topic: str, partitions: int) -> bool:
    wanted = {TopicPartition(topic, number): OffsetSpec.earliest() for number in range(partitions)}
    try:
        # shorter than our patience: a request that got lost is asked again
        for answer in admin(brokers).list_offsets(wanted, request_timeout=SECONDS / 8).values():
            answer.result(SECONDS / 4)
    except (KafkaException, TimeoutError):
        admin.cache_clear()  # one that lost a question may lose the next ones too
        return False
    return True


@cache
def admin(brokers: str) -> AdminClient:
    """Kept, because an answer is lost when its client is collected."""
    return AdminClient({"bootstrap.servers": brokers, "reconnect.backoff.max.ms": 200, "log_level": 0})


def producer(brokers: str, **settings: object) -> Producer:
    """Idempotent, acknowledged by all, patient enough to outlive a restart of the broker."""
    return Producer(
        {
            "bootstrap.servers": brokers,
            "enable.idempotence": True,
            "linger.ms": 2,
            "message.timeout.ms": 60_000,
            "reconnect.backoff.max.ms": 200,
            "log_level": 0,
            **settings,
        }
    )


def send(
    brokers: str, topic: str, values: Iterable[bytes], *, key: bytes | None = None, **settings: object
) -> list[KafkaError]:
    """Produce all, wait, and return the errors."""
    errors: list[KafkaError] = []
    sender = producer(brokers, **settings)
    for value in values:
        sender.produce(topic, value, key=key, on_delivery=lambda error, _: errors.append(error) if error else None)
        sender.poll(0)
    assert sender.flush(SECONDS) == 0
    return errors


@contextmanager
def consumer(brokers: str, group: str | None = None, **settings: object) -> Iterator[Consumer]:
    client = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": group or f"test.{uuid.uuid4().hex}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6_000,
            "heartbeat.interval.ms": 200,
            "reconnect.backoff.max.ms": 200,
            "topic.metadata.refresh.interval.ms": 1_000,
            "log_level": 0,
            **settings,
        }
    )
    try:
        yield client
    finally:
        client.close()


def receive(client: Consumer, count: int) -> list[Message]:
    """At least `count` messages, or as many as came within the patience of the suite."""
    received: list[Message] = []
    eventually(lambda: len(received) >= count, lambda: received.extend(_polled(client)))
    return received


def read_all(brokers: str, topic: str, count: int) -> list[Message]:
    with consumer(brokers) as client:
        client.subscribe([topic])
        return receive(client, count)


def eventually(condition: Callable[[], bool], step: Callable[[], object], *, seconds: float = SECONDS) -> bool:
    """Repeat `step`, which waits by itself, until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        step()
    return condition()


def _polled(client: Consumer) -> list[Message]:
    messages = client.consume(1_000, 0.1)
    failures = [message.error() for message in messages if message.error()]
    lasting = [error for error in failures if not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN]
    assert not lasting, lasting
    return [message for message in messages if not message.error()]
