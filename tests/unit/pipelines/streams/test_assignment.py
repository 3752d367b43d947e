"""Reading: what is there at once, nothing twice, nothing of partitions that have left."""

from typing import Any, cast

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from bevyly.events.bus import BrokerUnavailable
from pipelines.intake.offsets import Partition
from pipelines.streams import assignment
from pipelines.streams.assignment import Assignment, Connection

T = "bevyly.domain"


def message(partition: int, offset: int) -> Message:
    return Message(topic=T, partition=partition, offset=offset, value=b"", key=b"", headers=[])


class FakeConsumer:
    """Gives what it was given; may call back in the middle, as a rebalance does."""

    def __init__(self) -> None:
        self.first: Message | None = None
        self.more: list[Message] = []
        self.waits: list[float] = []
        self.taken: list[list[int]] = []
        self.between: Any = None

    def subscribe(self, topics: list[str], **callbacks: Any) -> None:
        self.callbacks = callbacks

    def poll(self, seconds: float) -> Message | None:
        self.waits.append(seconds)
        return self.first

    def consume(self, limit: int, seconds: float) -> list[Message]:
        self.waits.append(seconds)
        if self.between:
            self.between()
        return self.more[:limit]

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        pass

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        self.taken.append([one.partition for one in partitions])

    def give(self, *partitions: int) -> None:
        self.callbacks["on_assign"](self, [TopicPartition(T, one) for one in partitions])

    def take(self, *partitions: int, how: str = "on_revoke") -> None:
        self.callbacks[how](self, [TopicPartition(T, one) for one in partitions])


@pytest.fixture
def consumer() -> FakeConsumer:
    return FakeConsumer()


@pytest.fixture
def ours(consumer: FakeConsumer, monkeypatch: pytest.MonkeyPatch) -> Assignment:
    """Partitions 0 and 1, both from offset 5 on."""
    monkeypatch.setattr(
        assignment, "starting_points", lambda _db, _c, _g, given: {Partition(T, one.partition): 5 for one in given}
    )
    made = Assignment("probe", topics=[T], database=cast(Connection, None), consumer=cast(Consumer, consumer))
    consumer.give(0, 1)
    return made


def places(messages: list[Message]) -> list[tuple[int | None, int | None]]:
    return [(one.partition(), one.offset()) for one in messages]


def test_only_the_first_message_is_waited_for(consumer: FakeConsumer, ours: Assignment) -> None:
    consumer.first, consumer.more = message(0, 5), [message(0, 6), message(1, 5)]
    assert places(ours.read(500, seconds=0.2)) == [(0, 5), (0, 6), (1, 5)]
    assert consumer.waits == [0.2, 0]


def test_nothing_there_is_nothing_more_to_ask(consumer: FakeConsumer, ours: Assignment) -> None:
    assert ours.read(500, seconds=0.2) == []
    assert consumer.waits == [0.2]


def test_a_batch_of_one(consumer: FakeConsumer, ours: Assignment) -> None:
    consumer.first = message(0, 5)
    assert places(ours.read(1, seconds=0.2)) == [(0, 5)]


@pytest.mark.parametrize("how", ["on_revoke", "on_lost"])
def test_a_partition_that_leaves_takes_its_messages_along(consumer: FakeConsumer, ours: Assignment, how: str) -> None:
    consumer.first, consumer.more = message(0, 5), [message(1, 5)]
    consumer.between = lambda: consumer.take(0, how=how)
    read = ours.read(500, seconds=0.2)
    assert places(read) == [(1, 5)]
    assert ours.moves(read) == {Partition(T, 1): (5, 6)}
    assert consumer.taken == [[0]]


def test_a_partition_that_leaves_and_returns_gives_each_message_once(consumer: FakeConsumer, ours: Assignment) -> None:
    consumer.first, consumer.more = message(0, 5), [message(0, 5), message(0, 6)]

    def leave_and_return() -> None:
        consumer.take(0)
        consumer.give(0)

    consumer.between = leave_and_return
    assert places(ours.read(500, seconds=0.2)) == [(0, 5), (0, 6)]


def test_what_was_applied_before_is_passed_over(consumer: FakeConsumer, ours: Assignment) -> None:
    ours.moved({Partition(T, 0): (5, 8)})
    consumer.first, consumer.more = message(0, 7), [message(0, 8)]
    assert places(ours.read(500, seconds=0.2)) == [(0, 8)]


def test_an_error_of_the_broker_ends_the_session(consumer: FakeConsumer, ours: Assignment) -> None:
    class Broken:
        def error(self) -> Any:
            return type("Error", (), {"str": lambda self: "gone"})()

    consumer.first = cast(Message, Broken())
    with pytest.raises(BrokerUnavailable, match="gone"):
        ours.read(500, seconds=0.2)
