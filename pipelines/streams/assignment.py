"""The partitions that a stream's consumer was given, and where it stands in each.

Kafka shares partitions out cooperatively: a rebalance takes and gives single partitions, and the others go on. How
far each one has taken effect is what PostgreSQL says. Does not belong here: what happens with messages.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from confluent_kafka import Consumer, Message, TopicPartition

from bevyly.events.bus import BrokerUnavailable
from pipelines.intake.offsets import Partition, partition_of, starting_points

Connection = psycopg.Connection[tuple[Any, ...]]


class Assignment:
    """One consumer's partitions, from its subscription on."""

    def __init__(self, group: str, *, topics: Sequence[str], database: Connection, consumer: Consumer) -> None:
        self._group = group
        self._database = database
        self._consumer = consumer
        self._positions: dict[Partition, int] = {}
        consumer.subscribe(list(topics), on_assign=self._add, on_revoke=self._remove, on_lost=self._remove)

    def read(self, limit: int, *, seconds: float) -> list[Message]:
        """What is there, at most `limit` messages; waits `seconds` for the first one and for no other.

        A single event is handled at once, and under load batches grow by themselves.
        """
        first = self._consumer.poll(seconds)
        if first is None:
            return []
        more = self._consumer.consume(limit - 1, 0) if limit > 1 else []
        return self._ours([first, *more])

    def moves(self, messages: Sequence[Message]) -> dict[Partition, tuple[int, int]]:
        """From and to which offset each partition moves once `messages` have taken effect."""
        last = {partition_of(message): message.offset() or 0 for message in messages}
        return {key: (self._positions[key], offset + 1) for key, offset in last.items()}

    def moved(self, moves: Mapping[Partition, tuple[int, int]]) -> None:
        """Note that `moves` are committed."""
        self._positions.update({key: upto for key, (_, upto) in moves.items()})

    def _ours(self, messages: Sequence[Message]) -> list[Message]:
        """Those of partitions that are still ours, each offset once: a partition may have left, or left and returned,
        between the first message of a batch and its last."""
        expected, kept = dict(self._positions), []
        for message in messages:
            error = message.error()
            if error is not None:
                raise BrokerUnavailable(f"Kafka: {error.str()}")
            key, offset = partition_of(message), message.offset() or 0
            if offset >= expected.get(key, offset + 1):
                expected[key] = offset + 1
                kept.append(message)
        return kept

    def _add(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        starts = starting_points(self._database, consumer, self._group, partitions)
        self._positions.update(starts)
        consumer.incremental_assign([TopicPartition(*key, offset) for key, offset in starts.items()])

    def _remove(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._positions.pop(Partition(partition.topic, partition.partition), None)
        consumer.incremental_unassign(partitions)
