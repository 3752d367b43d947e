"""Offsets: how far a consumer group has taken effect, moved in the transaction of the effect and nowhere else.

A group's rows are its fence, too: who finds another position than the one it started from has been overtaken, and
its transaction must not commit.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import psycopg
import structlog
from confluent_kafka import Consumer, Message, TopicPartition

from bevyly.errors import Conflict
from bevyly.events.bus import watermarks

Connection = psycopg.Connection[tuple[Any, ...]]
_log = structlog.get_logger()

_READ = "select topic, partition, next_offset from raw.consumer_offsets where consumer_group = %s"
_SET = """
insert into raw.consumer_offsets (consumer_group, topic, partition, next_offset, updated_at)
select %s, topic, partition, next_offset, now()
from unnest(%s::text[], %s::int[], %s::bigint[]) as given(topic, partition, next_offset)
on conflict (consumer_group, topic, partition) do update
set next_offset = excluded.next_offset, updated_at = excluded.updated_at
"""
_MOVE = """
update raw.consumer_offsets as stored set next_offset = move.upto, updated_at = now()
from unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[]) as move(topic, partition, since, upto)
where stored.consumer_group = %s and stored.topic = move.topic and stored.partition = move.partition
  and stored.next_offset = move.since
"""


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int


def partition_of(message: Message) -> Partition:
    """The partition that `message` came from."""
    return Partition(str(message.topic()), message.partition() or 0)


class OffsetsMoved(Conflict):
    """Another consumer of the group has moved on from where this one started."""

    code = "offsets_moved"


def stored(connection: Connection, group: str) -> dict[Partition, int]:
    """The next offset of every partition that `group` has a row for."""
    rows = connection.execute(_READ, (group,)).fetchall()
    return {Partition(topic, number): offset for topic, number, offset in rows}


def move(connection: Connection, group: str, moves: Mapping[Partition, tuple[int, int]]) -> None:
    """Move partitions from one offset to another, in the caller's transaction; raises `OffsetsMoved`.

    The rows stay locked until the end of the transaction, so that two consumers never apply the same messages.
    """
    ordered = sorted(moves.items())
    columns = [
        [partition.topic for partition, _ in ordered],
        [partition.number for partition, _ in ordered],
        [since for _, (since, _) in ordered],
        [upto for _, (_, upto) in ordered],
    ]
    moved = connection.execute(_MOVE, (*columns, group)).rowcount
    if moved != len(moves):
        raise OffsetsMoved(f"{len(moves) - moved} partitions of group {group} are elsewhere than expected")


def starting_points(
    connection: Connection, consumer: Consumer, group: str, partitions: Iterable[TopicPartition]
) -> dict[Partition, int]:
    """Where `group` goes on in each of `partitions`: where it stands, or the oldest message that Kafka still has.

    A position that Kafka does not know (messages expired, or the log is younger than the position) is set to the
    oldest message and logged: repeats are harmless, and a gap must not pass in silence.
    """
    known, starts, corrections = stored(connection, group), {}, {}
    for partition in partitions:
        key = Partition(partition.topic, partition.partition)
        low, high = watermarks(consumer, partition)
        position = known.get(key)
        if position is None or not low <= position <= high:
            corrections[key] = low
            if position is not None:
                _log.error("offset unknown to Kafka", group=group, topic=key.topic, partition=key.number,
                           stored=position, oldest=low, newest=high)  # fmt: skip
        starts[key] = corrections.get(key, position if position is not None else low)
    if corrections:
        _set(connection, group, corrections)
    return starts


def _set(connection: Connection, group: str, offsets: Mapping[Partition, int]) -> None:
    topics, numbers = [key.topic for key in offsets], [key.number for key in offsets]
    connection.execute(_SET, (group, topics, numbers, list(offsets.values())))
