"""What client libraries never send on purpose: repeats, gaps, damaged batches, unknown versions, garbage.

The same requests go to the embedded broker and to Apache Kafka, and both must answer alike.
"""

import struct
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from kio.schema.api_versions.v0.response import ApiVersionsResponse
from kio.schema.errors import ErrorCode
from kio.schema.fetch.v12 import request as fetch_v12
from kio.schema.heartbeat.v4.request import HeartbeatRequest
from kio.schema.init_producer_id.v4.request import InitProducerIdRequest
from kio.schema.join_group.v9 import request as join_v9
from kio.schema.list_offsets.v7 import request as offsets_v7
from kio.schema.offset_commit.v8 import request as commit_v8
from kio.schema.produce.v9 import request as produce_v9

from bevyly.runtime.kafka import EmbeddedKafka
from tests.support.kafka_batches import fresh
from tests.support.kafka_clients import SECONDS, consumer, eventually, new_topic, read_all
from tests.support.kafka_wire import Wire

SECOND = timedelta(seconds=1)


@pytest.fixture
def wire(brokers: str) -> Iterator[Wire]:
    with Wire(brokers) as connection:
        yield connection


def produce(wire: Wire, topic: str, records: bytes, *, partition: int = 0, acks: int = -1) -> Any:
    data = produce_v9.PartitionProduceData(index=partition, records=records)
    topics = (produce_v9.TopicProduceData(name=topic, partition_data=(data,)),)
    answer = wire.ask(produce_v9.ProduceRequest(acks=acks, timeout=10 * SECOND, topic_data=topics))
    return answer.responses[0].partition_responses[0]


def producer_id(wire: Wire) -> int:
    """A fresh one; a broker that has just started may ask for patience first."""
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout=60 * SECOND)
    answers = [wire.ask(request)]
    eventually(lambda: answers[-1].error_code is ErrorCode.none, lambda: answers.append(wire.ask(request)))
    return int(answers[-1].producer_id)


def test_a_repeated_batch_is_stored_once_and_keeps_its_offset(wire: Wire, brokers: str) -> None:
    topic, identity = new_topic(brokers), producer_id(wire)
    first = produce(wire, topic, fresh([b"a", b"b"], producer_id=identity, sequence=0))
    second = produce(wire, topic, fresh([b"c"], producer_id=identity, sequence=2))
    again = produce(wire, topic, fresh([b"a", b"b"], producer_id=identity, sequence=0))

    assert [answer.error_code for answer in (first, second, again)] == [ErrorCode.none] * 3
    assert (first.base_offset, second.base_offset, again.base_offset) == (0, 2, 0)
    produce(wire, topic, fresh([b"end"]))
    assert [m.value() for m in read_all(brokers, topic, 4)] == [b"a", b"b", b"c", b"end"]


def test_a_gap_in_the_sequence_is_refused(wire: Wire, brokers: str) -> None:
    topic, identity = new_topic(brokers), producer_id(wire)
    produce(wire, topic, fresh([b"a"], producer_id=identity, sequence=0))
    gap = produce(wire, topic, fresh([b"c"], producer_id=identity, sequence=2))
    assert gap.error_code is ErrorCode.out_of_order_sequence_number


def test_only_the_last_five_batches_are_known_as_repeats(wire: Wire, brokers: str) -> None:
    topic, identity = new_topic(brokers), producer_id(wire)
    for sequence in range(6):
        produce(wire, topic, fresh(producer_id=identity, sequence=sequence))
    known = produce(wire, topic, fresh(producer_id=identity, sequence=1))
    forgotten = produce(wire, topic, fresh(producer_id=identity, sequence=0))
    assert (known.error_code, known.base_offset) == (ErrorCode.none, 1)
    assert forgotten.error_code is ErrorCode.out_of_order_sequence_number


def test_an_older_epoch_is_fenced_and_a_newer_one_starts_at_zero(wire: Wire, brokers: str) -> None:
    topic, identity = new_topic(brokers), producer_id(wire)
    assert produce(wire, topic, fresh(producer_id=identity, epoch=1)).error_code is ErrorCode.none
    old = produce(wire, topic, fresh(producer_id=identity, epoch=0, sequence=1))
    ahead = produce(wire, topic, fresh(producer_id=identity, epoch=2, sequence=7))
    new = produce(wire, topic, fresh(producer_id=identity, epoch=2, sequence=0))
    assert old.error_code is ErrorCode.invalid_producer_epoch
    assert ahead.error_code is ErrorCode.out_of_order_sequence_number
    assert (new.error_code, new.base_offset) == (ErrorCode.none, 1)


def test_producer_ids_differ(wire: Wire) -> None:
    assert len({producer_id(wire) for _ in range(20)}) == 20


def _damaged(records: bytes) -> bytes:
    return records[:-1] + bytes([records[-1] ^ 1])


@pytest.mark.parametrize(
    ("records", "code"),
    [
        (_damaged(fresh()), ErrorCode.corrupt_message),
        (fresh() + fresh(), ErrorCode.invalid_record),
    ],
    ids=["checksum", "two-batches"],
)
def test_a_damaged_batch_is_refused_and_nothing_is_stored(
    wire: Wire, brokers: str, records: bytes, code: ErrorCode
) -> None:
    topic = new_topic(brokers)
    assert produce(wire, topic, records).error_code is code
    assert produce(wire, topic, fresh([b"good"])).base_offset == 0


@pytest.mark.parametrize(("topic", "partition"), [("no.such.topic", 0), (None, 9)])
def test_an_unknown_partition_is_named_as_such(wire: Wire, brokers: str, topic: str | None, partition: int) -> None:
    answer = produce(wire, topic or new_topic(brokers), fresh(), partition=partition)
    assert answer.error_code is ErrorCode.unknown_topic_or_partition


def test_odd_acks_are_refused(wire: Wire, brokers: str) -> None:
    assert produce(wire, new_topic(brokers), fresh(), acks=2).error_code is ErrorCode.invalid_required_acks


def test_a_read_beyond_the_end_is_out_of_range(wire: Wire, brokers: str) -> None:
    part = fetch_v12.FetchPartition(partition=0, fetch_offset=5, partition_max_bytes=1_000)
    topics = (fetch_v12.FetchTopic(topic=new_topic(brokers), partitions=(part,)),)
    answer = wire.ask(fetch_v12.FetchRequest(max_wait=SECOND, min_bytes=1, topics=topics, forgotten_topics_data=()))
    assert answer.responses[0].partitions[0].error_code is ErrorCode.offset_out_of_range


@pytest.mark.parametrize("timestamp", [-1, -2])
def test_an_empty_log_begins_and_ends_at_zero(wire: Wire, brokers: str, timestamp: int) -> None:
    part = offsets_v7.ListOffsetsPartition(partition_index=0, timestamp=timestamp)
    topics = (offsets_v7.ListOffsetsTopic(name=new_topic(brokers), partitions=(part,)),)
    answer = wire.ask(offsets_v7.ListOffsetsRequest(replica_id=-1, isolation_level=0, topics=topics))
    found = answer.topics[0].partitions[0]
    assert (found.error_code, found.offset) == (ErrorCode.none, 0)


@pytest.fixture
def coordinator(wire: Wire, brokers: str) -> Wire:
    """The connection, once the broker has loaded its groups."""
    with consumer(brokers) as client:
        client.committed([TopicPartition(new_topic(brokers), 0)], timeout=SECONDS)
    return wire


def join(wire: Wire, group: str, *, member_id: str = "", session: timedelta = 10 * SECOND, kind: str = "range") -> Any:
    protocols = (join_v9.JoinGroupRequestProtocol(name=kind, metadata=b"subscription"),)
    return wire.ask(
        join_v9.JoinGroupRequest(
            group_id=group,
            session_timeout=session,
            rebalance_timeout=10 * SECOND,
            member_id=member_id,
            protocol_type="test",
            protocols=protocols,
        )
    )


def test_a_new_member_is_named_before_it_joins(coordinator: Wire, brokers: str) -> None:
    group = "named." + new_topic(brokers)
    asked = join(coordinator, group)
    assert asked.error_code is ErrorCode.member_id_required
    joined = join(coordinator, group, member_id=asked.member_id)
    assert (joined.error_code, joined.leader) == (ErrorCode.none, asked.member_id)
    assert [member.metadata for member in joined.members] == [b"subscription"]


def test_members_are_checked(coordinator: Wire, brokers: str) -> None:
    group = "checked." + new_topic(brokers)
    assert join(coordinator, group, session=SECOND).error_code is ErrorCode.invalid_session_timeout
    assert join(coordinator, "").error_code is ErrorCode.invalid_group_id
    member = join(coordinator, group, member_id=join(coordinator, group).member_id)
    assert join(coordinator, group, member_id="stranger").error_code is ErrorCode.unknown_member_id
    assert join(coordinator, group, kind="other").error_code is ErrorCode.inconsistent_group_protocol

    def beat(generation: int, member_id: str) -> ErrorCode:
        request = HeartbeatRequest(group_id=group, generation_id=generation, member_id=member_id)
        return coordinator.ask(request).error_code

    assert beat(member.generation_id, "stranger") is ErrorCode.unknown_member_id
    assert beat(member.generation_id + 1, member.member_id) is ErrorCode.illegal_generation


def test_a_stranger_cannot_commit_for_a_group_in_use(coordinator: Wire, brokers: str) -> None:
    topic = new_topic(brokers)
    group = "taken." + topic

    def commit(member_id: str, generation: int) -> ErrorCode:
        part = commit_v8.OffsetCommitRequestPartition(partition_index=0, committed_offset=1, committed_metadata=None)
        topics = (commit_v8.OffsetCommitRequestTopic(name=topic, partitions=(part,)),)
        answer = coordinator.ask(
            commit_v8.OffsetCommitRequest(
                group_id=group, generation_id_or_member_epoch=generation, member_id=member_id, topics=topics
            )
        )
        return answer.topics[0].partitions[0].error_code

    assert commit("", -1) is ErrorCode.none
    member = join(coordinator, group, member_id=join(coordinator, group).member_id)
    assert commit("", -1) is ErrorCode.unknown_member_id
    assert commit(member.member_id, member.generation_id + 5) is ErrorCode.illegal_generation
    assert commit(member.member_id, member.generation_id) is ErrorCode.rebalance_in_progress


def test_transactions_are_not_offered_but_idempotence_is(wire: Wire, server: Any) -> None:
    answer: ApiVersionsResponse = wire.ask_raw(struct.pack(">hhih", 18, 0, 7, -1), api=18, version=0)
    offered = {int(entry.api_key) for entry in answer.api_keys}
    assert 22 in offered
    if server.name == "kafka":
        assert offered.isdisjoint(range(24, 29))


def test_a_newer_client_learns_the_versions_from_an_answer_in_version_zero(wire: Wire) -> None:
    no_tags = b"\x00"
    frame = struct.pack(">hhih", 18, 99, 7, -1) + no_tags + b"\x01\x01" + no_tags
    answer: ApiVersionsResponse = wire.ask_raw(frame, api=18, version=0)
    assert answer.error_code is ErrorCode.unsupported_version
    assert any(entry.api_key == 18 for entry in answer.api_keys)


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack(">hhih", 0, 99, 7, -1),
        struct.pack(">hhih", 9_999, 0, 7, -1),
        struct.pack(">hhih", 3, 9, 7, -1) + b"\xff" * 20,
        b"\x00",
    ],
    ids=["unknown-version", "unknown-api", "garbage", "too-short"],
)
def test_what_cannot_be_understood_closes_only_its_connection(wire: Wire, brokers: str, frame: bytes) -> None:
    wire.send(struct.pack(">i", len(frame)) + frame)
    assert wire.is_closed_by_peer()
    with Wire(brokers) as other:
        assert producer_id(other) >= 0


@pytest.mark.parametrize("size", [-1, 2**31 - 1])
def test_an_absurd_frame_size_closes_the_connection(wire: Wire, size: int) -> None:
    wire.send(struct.pack(">i", size))
    assert wire.is_closed_by_peer()


@pytest.mark.faults
def test_a_repeat_is_recognised_after_a_kill(server: EmbeddedKafka) -> None:
    """The answer to a stored batch is lost with the broker; the producer sends it again to the next one."""
    topic = new_topic(server.url)
    with Wire(server.url) as wire:
        identity = producer_id(wire)
        assert produce(wire, topic, fresh([b"a", b"b"], producer_id=identity, sequence=0)).base_offset == 0
        assert produce(wire, topic, fresh([b"c"], producer_id=identity, sequence=2)).base_offset == 2
    server.kill()
    server.start()
    with Wire(server.url) as wire:
        again = stored(wire, topic, fresh([b"c"], producer_id=identity, sequence=2))
        following = stored(wire, topic, fresh([b"d"], producer_id=identity, sequence=3))
        gap = stored(wire, topic, fresh([b"f"], producer_id=identity, sequence=5))
    assert (again.base_offset, following.base_offset) == (2, 3)
    assert gap.error_code is ErrorCode.out_of_order_sequence_number
    assert [m.value() for m in read_all(server.url, topic, 4)] == [b"a", b"b", b"c", b"d"]


def stored(wire: Wire, topic: str, records: bytes) -> Any:
    """The answer to a produce request, repeated while the broker says that a repetition may help."""
    answers = [produce(wire, topic, records)]
    eventually(lambda: not answers[-1].error_code.retriable, lambda: answers.append(produce(wire, topic, records)))
    return answers[-1]
