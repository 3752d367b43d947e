"""Ingest: everything on Kafka into `raw.events`, exactly once, in micro-batches.

Rows and offsets move in one transaction, so a crash anywhere repeats a batch that left nothing behind. `raw.events.seq`
grows in the order of arrival because one ingest runs at a time.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from prometheus_client import Counter as Metric

from bevyly.clock import Clock, SystemClock
from bevyly.db.leadership import leadership
from bevyly.events import dead_letters
from bevyly.events.bus import BrokerUnavailable, Publisher, make_consumer, partitions_of
from bevyly.events.catalogue import topics
from bevyly.events.dead_letters import DeadLetter
from bevyly.events.failpoints import failpoint
from bevyly.settings import Settings
from pipelines.intake import rows
from pipelines.intake.messages import Decoded, decode
from pipelines.intake.offsets import Partition, move, partition_of, starting_points

GROUP = "raw"
BATCH = 4_000
FILL_SECONDS = 0.25
POLL_SECONDS = 0.05
IDLE_SECONDS = 5.0
# later than this, and the clock that wrote the event is wrong
SKEW_SECONDS = 600.0

ingested = Metric("bevyly_ingested", "Events that arrived", ["outcome"])
from_the_future = Metric("bevyly_ingested_from_the_future", "Events that say they happen after they arrived")


@dataclass(frozen=True, kw_only=True)
class IngestResult:
    """What one ingest did. `ended`: `drained`, `limit`, `idle`, `stopped`, or `busy` where another one runs."""

    rows: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    seconds: float = 0.0
    ended: str = "busy"


class Intake:
    """One ingest at work: a connection that leads, a consumer at the stored offsets."""

    def __init__(
        self,
        connection: psycopg.Connection[tuple[Any, ...]],
        consumer: Consumer,
        *,
        make_publisher: Callable[[], Publisher],
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._consumer = consumer
        self._make_publisher = make_publisher
        self._clock = clock
        self._tenants: set[str] = set()
        self._ended: set[Partition] = set()
        self.counts: Counter[str] = Counter()
        partitions = partitions_of(consumer, topics())
        self._positions = starting_points(connection, consumer, GROUP, partitions)
        rows.prepare(connection)
        consumer.assign([TopicPartition(*key, offset) for key, offset in self._positions.items()])

    @property
    def drained(self) -> bool:
        """Whether the end of every partition was reached, and nothing came since."""
        return len(self._ended) == len(self._positions)

    def read(self, limit: int) -> list[Message]:
        """Up to `limit` messages: what arrives within a moment, or until every partition has ended."""
        batch: list[Message] = []
        deadline = time.monotonic() + FILL_SECONDS
        while len(batch) < limit and time.monotonic() < deadline:
            for message in self._consumer.consume(limit - len(batch), POLL_SECONDS):
                self._sort_in(message, batch)
            if self.drained:
                break
        return batch

    def _sort_in(self, message: Message, batch: list[Message]) -> None:
        key, error = partition_of(message), message.error()
        if error is None:
            self._ended.discard(key)
            if (message.offset() or 0) >= self._positions[key]:
                batch.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            self._ended.add(key)
        else:
            raise BrokerUnavailable(f"Kafka: {error.str()}")

    def store(self, messages: list[Message]) -> None:
        """Apply one batch: dead letters first, then rows and offsets in one transaction."""
        batch = self._without_strangers(decode(messages))
        if batch.letters:
            dead_letters.publish(self._make_publisher(), batch.letters, consumer=GROUP, at=self._clock.now())
        moves = self._moves(messages)
        failpoint("before_commit")
        with self._connection.transaction():
            move(self._connection, GROUP, moves)
            new = rows.insert(self._connection, batch.accepted)
        failpoint("after_commit")
        self._positions.update({key: upto for key, (_, upto) in moves.items()})
        self._count(batch, new)

    def _without_strangers(self, batch: Decoded) -> Decoded:
        unseen = {incoming.event.tenant_id for incoming in batch.accepted} - self._tenants
        if unseen:
            self._tenants |= rows.known_tenants(self._connection, unseen)
        if unseen <= self._tenants:
            return batch
        strangers = [incoming for incoming in batch.accepted if incoming.event.tenant_id not in self._tenants]
        letters = [
            DeadLetter(message=one.message, code="unknown_tenant", reason=f"no tenant {one.event.tenant_id}")
            for one in strangers
        ]
        return Decoded([one for one in batch.accepted if one not in strangers], batch.letters + letters)

    def _moves(self, messages: list[Message]) -> dict[Partition, tuple[int, int]]:
        last = {partition_of(message): message.offset() or 0 for message in messages}
        return {key: (self._positions[key], offset + 1) for key, offset in last.items()}

    def _count(self, batch: Decoded, new: int) -> None:
        outcome = {"rows": new, "duplicates": len(batch.accepted) - new, "dead_letters": len(batch.letters)}
        self.counts.update(outcome)
        for name, number in outcome.items():
            ingested.labels(outcome=name).inc(number)
        horizon = self._clock.now().timestamp() + SKEW_SECONDS
        from_the_future.inc(sum(one.event.time.timestamp() > horizon for one in batch.accepted))

    def ping(self) -> None:
        """Keep the lease while nothing arrives."""
        self._connection.execute("select 1")


def drain(
    settings: Settings,
    address: str | None = None,
    *,
    max_events: int | None = None,
    idle_seconds: float = IDLE_SECONDS,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
) -> IngestResult:
    """Store what Kafka holds now, then return; `address` is the database's URL for the pipeline role.

    Ends when every partition was read to its end, after `max_events`, or when nothing
    came for `idle_seconds`. Returns at once where another ingest runs. Raises `BrokerUnavailable` or psycopg's errors.
    """
    with leadership(address or settings.require_pipeline_database(), "ingest") as connection:
        if connection is None:
            return IngestResult()
        started = time.monotonic()
        with closing(_consumer(settings)) as consumer:
            intake = _intake(settings, connection, consumer, clock)
            ended = _until_drained(intake, max_events, idle_seconds, stop or threading.Event())
        return IngestResult(seconds=time.monotonic() - started, ended=ended, **intake.counts)


def follow(settings: Settings, stop: threading.Event, *, clock: Clock | None = None) -> IngestResult:
    """Store what arrives until `stop` is set. Returns at once where another ingest runs."""
    with leadership(settings.require_pipeline_database(), "ingest") as connection:
        if connection is None:
            return IngestResult()
        started = time.monotonic()
        with closing(_consumer(settings)) as consumer:
            intake = _intake(settings, connection, consumer, clock)
            while not stop.is_set():
                _step(intake, BATCH)
        return IngestResult(seconds=time.monotonic() - started, ended="stopped", **intake.counts)


def _consumer(settings: Settings) -> Consumer:
    return make_consumer(settings, group=f"bevyly-{GROUP}", **{"enable.partition.eof": True})


def _intake(
    settings: Settings, connection: psycopg.Connection[tuple[Any, ...]], consumer: Consumer, clock: Clock | None
) -> Intake:
    return Intake(connection, consumer, make_publisher=cache(lambda: Publisher(settings)), clock=clock or SystemClock())


def _step(intake: Intake, limit: int) -> int:
    batch = intake.read(limit)
    if batch:
        intake.store(batch)
    else:
        intake.ping()
    return len(batch)


def _until_drained(intake: Intake, max_events: int | None, idle_seconds: float, stop: threading.Event) -> str:
    taken, quiet_since = 0, time.monotonic()
    while not stop.is_set():
        if max_events is not None and taken >= max_events:
            return "limit"
        moved = _step(intake, min(BATCH, max_events - taken) if max_events is not None else BATCH)
        if intake.drained:
            return "drained"
        if moved:
            taken, quiet_since = taken + moved, time.monotonic()
        elif time.monotonic() - quiet_since > idle_seconds:
            return "idle"
    return "stopped"
