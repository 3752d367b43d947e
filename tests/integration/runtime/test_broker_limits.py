"""What a broker does at its limits: retention, clients that are slow, stuck or dead, too much at once."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import OffsetSpec
from kio.schema.fetch.v12 import request as fetch_v12

from bevyly.runtime.kafka import EmbeddedKafka
from bevyly.runtime.ports import free_port
from tests.integration.runtime.conftest import KINDS
from tests.support.kafka_clients import (
    SECONDS,
    admin,
    consumer,
    eventually,
    new_topic,
    producer,
    read_all,
    receive,
    send,
)
from tests.support.kafka_reference import ApacheKafka, missing_tools
from tests.support.kafka_wire import Wire

HOUR_MS = 3_600_000
MEGABYTE = 1 << 20
"""The smallest segment that Apache Kafka takes."""


@pytest.fixture(scope="module", params=KINDS)
def brokers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that enforces retention twice a second."""
    kind: type[EmbeddedKafka] = request.param
    if kind is ApacheKafka and missing_tools():
        pytest.skip(f"Apache Kafka needs {' and '.join(missing_tools())}, which this machine lacks")
    directory: Path = tmp_path_factory.mktemp("kafka")
    with kind(directory, free_port(), upkeep_seconds=0.5) as server:
        yield server.url


def start_of(brokers: str, topic: str) -> int:
    partition = TopicPartition(topic, 0)
    return int(admin(brokers).list_offsets({partition: OffsetSpec.earliest()})[partition].result(SECONDS).offset)


def waits(seconds: float = 0.2) -> None:
    time.sleep(seconds)


def test_what_is_older_than_retention_goes_and_the_rest_stays(brokers: str) -> None:
    topic = new_topic(brokers, retention_ms=str(HOUR_MS), segment_bytes=str(MEGABYTE))
    sender = producer(brokers)
    for number in range(5):
        sender.produce(topic, b"old %d" % number, timestamp=int(time.time() * 1000) - 2 * HOUR_MS)
    assert sender.flush(SECONDS) == 0
    assert eventually(lambda: start_of(brokers, topic) == 5, waits)
    assert send(brokers, topic, [b"young"]) == []
    assert [(m.offset(), m.value()) for m in read_all(brokers, topic, 1)] == [(5, b"young")]


def test_a_topic_keeps_the_youngest_of_its_size(brokers: str) -> None:
    topic = new_topic(brokers, retention_bytes=str(2 * MEGABYTE), segment_bytes=str(MEGABYTE))
    size = 100_000
    assert send(brokers, topic, [(b"%d" % n).ljust(size, b".") for n in range(80)], **{"batch.size": size}) == []
    # a part goes at a time; what is over is gone when no more than the size and one part are left
    assert eventually(lambda: start_of(brokers, topic) >= 80 - 3 * MEGABYTE // size, waits)
    first = start_of(brokers, topic)
    kept = read_all(brokers, topic, 80 - first)
    assert [m.offset() for m in kept] == list(range(first, 80))
    assert sum(len(m.value()) for m in kept) >= 2 * MEGABYTE - size


def test_a_reader_of_what_is_gone_starts_at_the_oldest(brokers: str) -> None:
    topic = new_topic(brokers, retention_ms=str(HOUR_MS), segment_bytes=str(MEGABYTE))
    sender = producer(brokers)
    sender.produce(topic, b"old", timestamp=int(time.time() * 1000) - 2 * HOUR_MS)
    assert sender.flush(SECONDS) == 0
    assert eventually(lambda: start_of(brokers, topic) == 1, waits)
    assert send(brokers, topic, [b"young"]) == []
    with consumer(brokers) as client:
        client.assign([TopicPartition(topic, 0, 0)])
        assert [m.value() for m in receive(client, 1)] == [b"young"]


def test_a_consumer_that_pauses_neither_delays_the_producer_nor_misses_anything(brokers: str) -> None:
    topic = new_topic(brokers)
    values = [(b"%d" % number).ljust(1_000, b".") for number in range(20_000)]
    with consumer(brokers, **{"queued.max.messages.kbytes": 1_024}) as slow:
        slow.subscribe([topic])
        assert send(brokers, topic, values[:10]) == []
        early = receive(slow, 10)
        assert send(brokers, topic, values[10:], **{"queue.buffering.max.messages": 100_000}) == []
        assert [m.value() for m in early + receive(slow, 20_000 - 10)] == values


def test_a_killed_member_loses_its_partitions_within_its_session(brokers: str) -> None:
    topic = new_topic(brokers, partitions=2)
    group = "killed." + topic
    script = (
        "import sys; from tests.support.kafka_clients import consumer\n"
        f"with consumer({brokers!r}, {group!r}) as client:\n"
        f"    client.subscribe([{topic!r}])\n"
        "    while True:\n"
        "        client.poll(0.1); print(len(client.assignment()), flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        assert "2" in (line.strip() for line in victim.stdout)
        victim.kill()
    with consumer(brokers, group) as heir:
        heir.subscribe([topic])
        assert eventually(lambda: len(heir.assignment()) == 2, lambda: heir.poll(0.1))


def test_cooperative_members_keep_what_they_hold_while_others_come(brokers: str) -> None:
    topic = new_topic(brokers, partitions=4)
    strategy = {"partition.assignment.strategy": "cooperative-sticky"}
    taken: list[int] = []
    with consumer(brokers, "sticky." + topic, **strategy) as first:
        first.subscribe([topic], on_revoke=lambda _, partitions: taken.extend(p.partition for p in partitions))
        assert eventually(lambda: len(first.assignment()) == 4, lambda: first.poll(0.1))
        with consumer(brokers, "sticky." + topic, **strategy) as second:
            second.subscribe([topic])

            def both() -> None:
                first.poll(0.1)
                second.poll(0.1)

            assert eventually(lambda: (len(first.assignment()), len(second.assignment())) == (2, 2), both)
            assert len(taken) == 2
            assert {p.partition for p in second.assignment()} == set(taken)


def test_the_lag_of_a_group_can_be_told_from_outside(brokers: str) -> None:
    topic = new_topic(brokers)
    group = "lagging." + topic
    assert send(brokers, topic, [b"x"] * 10) == []
    with consumer(brokers, group) as client:
        client.subscribe([topic])
        receive(client, 10)
        client.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)
    partition = TopicPartition(topic, 0)
    end = admin(brokers).list_offsets({partition: OffsetSpec.latest()})[partition].result(SECONDS).offset
    answer = admin(brokers).list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(SECONDS)
    assert [end - position.offset for position in answer.topic_partitions] == [6]


def test_a_client_that_asks_and_never_reads_holds_up_nobody(brokers: str) -> None:
    """A thousand unread answers of a megabyte: the broker stops taking requests from that client, and serves others."""
    topic = new_topic(brokers)
    assert send(brokers, topic, [b"x" * 900_000, b"y" * 900_000]) == []
    process = _process_at(brokers)
    with Wire(brokers) as greedy:
        before = process.memory_info().rss
        greedy.send_without_reading(_fetch(topic), times=1_000)
        assert send(brokers, topic, [b"served"]) == []
        assert read_all(brokers, topic, 3)[-1].value() == b"served"
        grown = process.memory_info().rss - before
    assert grown < 200 * MEGABYTE


def _fetch(topic: str) -> fetch_v12.FetchRequest:
    part = fetch_v12.FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=2 * MEGABYTE)
    wanted = (fetch_v12.FetchTopic(topic=topic, partitions=(part,)),)
    return fetch_v12.FetchRequest(max_wait=timedelta(), min_bytes=1, topics=wanted, forgotten_topics_data=())


def _process_at(brokers: str) -> psutil.Process:
    port = int(brokers.rpartition(":")[2])
    found = next(
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    )
    return psutil.Process(found)
