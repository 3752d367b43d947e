"""What a Kafka broker owes its clients. One suite, run against the embedded broker and against Apache Kafka."""

import threading
from collections import Counter

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic, OffsetSpec

from bevyly.runtime.kafka import EmbeddedKafka
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

HOUR_MS = 3_600_000


def numbered(count: int, *, size: int = 0) -> list[bytes]:
    return [(b"%d" % number).ljust(size, b".") for number in range(count)]


def test_a_key_keeps_its_order(brokers: str) -> None:
    topic = new_topic(brokers, partitions=3)
    for tenant in (b"tenant-a", b"tenant-b"):
        assert send(brokers, topic, numbered(2_000), key=tenant) == []

    messages = read_all(brokers, topic, 4_000)

    for tenant in (b"tenant-a", b"tenant-b"):
        assert [m.value() for m in messages if m.key() == tenant] == numbered(2_000)
    assert all(len({m.partition() for m in messages if m.key() == key}) == 1 for key in (b"tenant-a", b"tenant-b"))


def test_key_headers_timestamp_and_null_value_come_back(brokers: str) -> None:
    topic = new_topic(brokers)
    sender = producer(brokers)
    sender.produce(topic, None, key=b"k", headers=[("ce-type", b"lead.created")], timestamp=1_700_000_000_123)
    assert sender.flush(SECONDS) == 0

    (message,) = read_all(brokers, topic, 1)

    assert (message.key(), message.value()) == (b"k", None)
    assert message.headers() == [("ce-type", b"lead.created")]
    assert message.timestamp()[1] == 1_700_000_000_123


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_batches_pass_through(brokers: str, codec: str) -> None:
    topic = new_topic(brokers)
    values = numbered(500, size=1_000)
    settings = {"compression.type": codec, "linger.ms": 100}
    assert send(brokers, topic, values, **settings) == []
    assert [m.value() for m in read_all(brokers, topic, 500)] == values


def test_a_large_message_is_stored_and_a_larger_one_refused(brokers: str) -> None:
    topic = new_topic(brokers, max_message_bytes="600000")
    assert send(brokers, topic, [b"x" * 500_000]) == []
    refused = send(brokers, topic, [b"x" * 700_000])
    assert [error.code() for error in refused] == [KafkaError.MSG_SIZE_TOO_LARGE]
    assert [len(m.value()) for m in read_all(brokers, topic, 1)] == [500_000]


def test_a_message_above_the_fetch_limit_still_arrives(brokers: str) -> None:
    topic = new_topic(brokers)
    assert send(brokers, topic, [b"x" * 400_000, b"y"]) == []
    limits = {"fetch.message.max.bytes": 1_000, "fetch.max.bytes": 1_000, "message.max.bytes": 1_000}
    with consumer(brokers, **limits) as client:
        client.subscribe([topic])
        assert [len(m.value()) for m in receive(client, 2)] == [400_000, 1]


def test_a_waiting_consumer_is_woken_by_the_next_message(brokers: str) -> None:
    topic = new_topic(brokers)
    with consumer(brokers, **{"fetch.wait.max.ms": 20_000}) as client:
        client.assign([TopicPartition(topic, 0, 0)])
        assert client.consume(1, 0.5) == []
        assert send(brokers, topic, [b"now"]) == []
        (message,) = client.consume(1, 5.0)
    assert message.value() == b"now"


def test_offsets_are_found_by_position_and_time(brokers: str) -> None:
    topic = new_topic(brokers)
    sender = producer(brokers)
    for number in range(3):
        sender.produce(topic, b"%d" % number, timestamp=1_700_000_000_000 + number * HOUR_MS)
    assert sender.flush(SECONDS) == 0

    with consumer(brokers) as client:
        assert client.get_watermark_offsets(TopicPartition(topic, 0), timeout=SECONDS) == (0, 3)
        for wanted, offset in ((1_700_000_000_000, 0), (1_700_000_000_001, 1), (1_700_000_000_000 + 2 * HOUR_MS, 2)):
            (found,) = client.offsets_for_times([TopicPartition(topic, 0, wanted)], timeout=SECONDS)
            assert found.offset == offset
    partition = TopicPartition(topic, 0)
    youngest = admin(brokers).list_offsets({partition: OffsetSpec.max_timestamp()})[partition].result(SECONDS)
    assert youngest.offset == 2


def test_reading_starts_where_the_log_does_after_a_wrong_offset(brokers: str) -> None:
    topic = new_topic(brokers)
    assert send(brokers, topic, numbered(5)) == []
    with consumer(brokers) as client:
        client.assign([TopicPartition(topic, 0, 1_000)])
        assert [m.value() for m in receive(client, 5)] == numbered(5)


def test_a_group_resumes_at_what_it_committed(brokers: str) -> None:
    topic, group = new_topic(brokers), "resume." + new_topic(brokers)
    assert send(brokers, topic, numbered(10)) == []
    with consumer(brokers, group) as client:
        client.subscribe([topic])
        receive(client, 10)
        client.commit(offsets=[TopicPartition(topic, 0, 4, metadata="so far")], asynchronous=False)
    with consumer(brokers, group) as client:
        client.subscribe([topic])
        assert [m.value() for m in receive(client, 6)] == numbered(10)[4:]
        (position,) = client.committed([TopicPartition(topic, 0)], timeout=SECONDS)
        assert (position.offset, position.metadata) == (4, "so far")


def test_groups_do_not_share_offsets(brokers: str) -> None:
    topic = new_topic(brokers)
    assert send(brokers, topic, numbered(3)) == []
    for group in ("one." + topic, "two." + topic):
        with consumer(brokers, group) as client:
            client.subscribe([topic])
            assert len(receive(client, 3)) == 3
            client.commit(asynchronous=False)


def test_members_share_partitions_and_take_over_from_those_who_leave(brokers: str) -> None:
    topic = new_topic(brokers, partitions=4)
    group = "share." + topic
    with consumer(brokers, group) as first:
        first.subscribe([topic])
        assert eventually(lambda: len(first.assignment()) == 4, lambda: first.poll(0.1))
        with consumer(brokers, group) as second:
            second.subscribe([topic])

            def both() -> None:
                first.poll(0.1)
                second.poll(0.1)

            assert eventually(lambda: (len(first.assignment()), len(second.assignment())) == (2, 2), both)
            held = {(p.topic, p.partition) for client in (first, second) for p in client.assignment()}
            assert held == {(topic, number) for number in range(4)}
        assert eventually(lambda: len(first.assignment()) == 4, lambda: first.poll(0.1))


def test_a_silent_member_loses_its_partitions(brokers: str) -> None:
    """A member whose poll interval is over stops its heartbeats and leaves."""
    topic = new_topic(brokers, partitions=2)
    group = "silent." + topic
    limits = {"max.poll.interval.ms": 6_000}
    with consumer(brokers, group, **limits) as silent, consumer(brokers, group) as alive:
        silent.subscribe([topic])
        assert eventually(lambda: len(silent.assignment()) == 2, lambda: silent.poll(0.1))
        alive.subscribe([topic])
        assert eventually(lambda: len(alive.assignment()) == 2, lambda: alive.poll(0.1))


def test_every_message_is_delivered_while_members_come_and_go(brokers: str) -> None:
    topic = new_topic(brokers, partitions=4)
    group = "storm." + topic
    counted: Counter[bytes] = Counter()
    sending = threading.Thread(target=lambda: [send(brokers, topic, numbered(500), key=b"%d" % k) for k in range(8)])
    sending.start()
    with consumer(brokers, group, **{"enable.auto.commit": True}) as constant:
        constant.subscribe([topic])

        def drain(*clients: object) -> None:
            for client in (constant, *clients):
                counted.update((m.key() or b"") + b"/" + m.value() for m in client.consume(500, 0.1) if not m.error())

        for _ in range(4):
            with consumer(brokers, group, **{"enable.auto.commit": True}) as visitor:
                visitor.subscribe([topic])
                eventually(lambda: bool(visitor.assignment()), lambda: drain(visitor))
                drain(visitor)
        sending.join()
        assert eventually(lambda: len(counted) == 4_000, drain)


def test_groups_are_listed_described_moved_and_deleted(brokers: str) -> None:
    topic = new_topic(brokers)
    group = "described." + topic
    client = admin(brokers)
    assert send(brokers, topic, numbered(5)) == []
    with consumer(brokers, group, **{"client.id": "reader"}) as reader:
        reader.subscribe([topic])
        receive(reader, 5)
        reader.commit(asynchronous=False)
        described = client.describe_consumer_groups([group])[group].result(SECONDS)
        assert described.state.name == "STABLE"
        (member,) = described.members
        assert (member.client_id, [p.topic for p in member.assignment.topic_partitions]) == ("reader", [topic])
        with pytest.raises(KafkaException) as in_use:
            client.delete_consumer_groups([group])[group].result(SECONDS)
        assert in_use.value.args[0].code() == KafkaError.NON_EMPTY_GROUP

    assert group in {listed.group_id for listed in client.list_consumer_groups().result(SECONDS).valid}
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 2)])
    client.alter_consumer_group_offsets([wanted])[group].result(SECONDS)
    (found,) = (
        client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group]
        .result(SECONDS)
        .topic_partitions
    )
    assert found.offset == 2
    client.delete_consumer_groups([group])[group].result(SECONDS)
    assert group not in {listed.group_id for listed in client.list_consumer_groups().result(SECONDS).valid}


def test_topics_are_made_once_grown_and_deleted(brokers: str) -> None:
    topic, client = new_topic(brokers, partitions=2), admin(brokers)
    assert len(client.list_topics(timeout=SECONDS).topics[topic].partitions) == 2
    assert _topic_error(brokers, NewTopic(topic, 2)) == KafkaError.TOPIC_ALREADY_EXISTS
    client.create_partitions([NewPartitions(topic, 3)])[topic].result(SECONDS)
    sizes = {}
    eventually(lambda: sizes.get("now") == 3, lambda: sizes.update(now=_partition_count(brokers, topic)))
    assert sizes["now"] == 3
    client.delete_topics([topic])[topic].result(SECONDS)
    gone = threading.Event()
    assert eventually(gone.is_set, lambda: gone.set() if not _partition_count(brokers, topic) else gone.wait(0.05))


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        (NewTopic("not a name", 1), KafkaError.TOPIC_EXCEPTION),
        (NewTopic("no-partitions", 0), KafkaError.INVALID_PARTITIONS),
        (NewTopic("three-replicas", 1, 3), KafkaError.INVALID_REPLICATION_FACTOR),
        (NewTopic("odd-setting", 1, config={"no.such.setting": "1"}), KafkaError.INVALID_CONFIG),
        (NewTopic("odd-value", 1, config={"retention.ms": "soon"}), KafkaError.INVALID_CONFIG),
    ],
    ids=lambda value: value.topic if isinstance(value, NewTopic) else "",
)
def test_a_topic_that_cannot_be_is_refused(brokers: str, topic: NewTopic, code: int) -> None:
    assert _topic_error(brokers, topic) == code


def test_a_topic_is_not_made_by_writing_to_it(brokers: str) -> None:
    errors = send(brokers, "never.created", [b"x"], **{"message.timeout.ms": 3_000})
    assert errors
    assert errors[0].code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._MSG_TIMED_OUT)


def test_messages_and_offsets_outlive_a_restart(server: EmbeddedKafka) -> None:
    topic = new_topic(server.url, partitions=2)
    group = "restart." + topic
    assert send(server.url, topic, numbered(1_000)) == []
    with consumer(server.url, group) as client:
        client.subscribe([topic])
        receive(client, 1_000)
        client.commit(asynchronous=False)
    before = _committed(server.url, group, topic)
    server.stop()
    server.start()
    assert send(server.url, topic, [b"after"]) == []
    assert sorted(m.value() for m in read_all(server.url, topic, 1_001)) == sorted([*numbered(1_000), b"after"])
    assert _committed(server.url, group, topic) == before
    assert sum(before.values()) == 1_000


@pytest.mark.faults
def test_a_killed_broker_loses_and_doubles_nothing(server: EmbeddedKafka) -> None:
    """SIGKILL three times while an idempotent producer writes: each acknowledged message exists exactly once."""
    topic = new_topic(server.url, partitions=3)
    acknowledged: Counter[bytes] = Counter()
    sender = producer(server.url, **{"queue.buffering.max.messages": 200_000, "message.timeout.ms": 120_000})

    def delivered(error: KafkaError | None, message: object) -> None:
        assert error is None, error
        acknowledged[message.value()] += 1

    total = 90_000
    for number in range(total):
        sender.produce(topic, b"%d" % number, on_delivery=delivered)
        if number % 200 == 0:
            sender.poll(0)
        if number in (20_000, 45_000, 70_000):
            reached = len(acknowledged)
            eventually(lambda: len(acknowledged) > reached + 500, lambda: sender.poll(0.01))  # noqa: B023 - called here, at once
            server.kill()
            server.start()
    assert sender.flush(120) == 0
    assert len(acknowledged) == total

    stored = Counter(m.value() for m in read_all(server.url, topic, total))

    assert stored == acknowledged


def _committed(brokers: str, group: str, topic: str) -> dict[int, int]:
    with consumer(brokers, group) as client:
        found = client.committed([TopicPartition(topic, number) for number in range(2)], timeout=SECONDS)
    return {position.partition: max(position.offset, 0) for position in found}


def _partition_count(brokers: str, topic: str) -> int:
    known = admin(brokers).list_topics(timeout=SECONDS).topics.get(topic)
    return len(known.partitions) if known else 0


def _topic_error(brokers: str, topic: NewTopic) -> int:
    with pytest.raises(KafkaException) as refused:
        admin(brokers).create_topics([topic])[topic.topic].result(SECONDS)
    return int(refused.value.args[0].code())
