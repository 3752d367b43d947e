"""Ingest: everything on Kafka into `raw.events`, exactly once, in micro-batches.

Rows and offsets move in one transaction, so a crash anywhere repeats a batch that left nothing behind. `raw.events.seq`
grows in the order of arrival because one ingest runs at a time.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache

from bevyly.clock import Clock, SystemClock
from bevyly.db.leadership import leadership
from bevyly.events.bus import Publisher, partitions_of
from bevyly.events.catalogue import topics
from bevyly.privacy.marks import Marks
from bevyly.settings import Settings
from pipelines.intake import metrics
from pipelines.intake.messages import no_collection
from pipelines.intake.offsets import starting_points
from pipelines.intake.reading import Reader, ingest_consumer
from pipelines.intake.writing import Writer

GROUP = "raw"
BATCH = 4_000
IDLE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class IngestResult:
    """What one ingest did. `ended`: `drained`, `limit`, `idle`, `stopped`, or `busy` where another one runs."""

    rows: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    seconds: float = 0.0
    ended: str = "busy"


class Intake:
    """One ingest at work: a reader at the stored offsets, a writer that leads."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def drained(self) -> bool:
        """Whether nothing waits."""
        return self._reader.drained

    @property
    def counts(self) -> Counter[str]:
        """What was stored so far, by outcome."""
        return self._writer.counts

    def step(self, limit: int = BATCH) -> int:
        """Store one batch, or keep the lease where nothing came; how many messages there were."""
        with no_collection():
            batch = self._reader.read(limit)
            if not batch.messages:
                self._writer.ping()
                return 0
            self._writer.store(batch)
        for partition in batch.moves:
            waiting = self._reader.waiting(partition)
            metrics.waiting.labels(topic=partition.topic, partition=partition.number).set(waiting)
        return len(batch.messages)


@contextmanager
def opened(settings: Settings, address: str | None = None, *, clock: Clock | None = None) -> Iterator[Intake | None]:
    """An ingest that leads and stands where the last one ended; None where another one runs.

    `address` is the database's URL for the pipeline role. Raises `BrokerUnavailable`, `TooManyDeadLetters` or
    psycopg's errors.
    """
    with leadership(address or settings.require_pipeline_database(), "ingest") as connection:
        if connection is None:
            yield None
            return
        publisher = cache(lambda: Publisher(settings))
        with closing(ingest_consumer(settings, GROUP)) as consumer:
            marks = cache(lambda: Marks.of(settings))
            now = clock or SystemClock()
            writer = Writer(connection, GROUP, make_publisher=publisher, make_marks=marks, clock=now)
            positions = starting_points(connection, consumer, GROUP, partitions_of(consumer, topics()))
            yield Intake(Reader(consumer, positions), writer)


def drain(
    settings: Settings,
    address: str | None = None,
    *,
    max_events: int | None = None,
    idle_seconds: float = IDLE_SECONDS,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
) -> IngestResult:
    """Store what Kafka holds now, then return.

    Ends when every partition was read to its end, after `max_events`, or when nothing came for `idle_seconds`. Returns
    at once where another ingest runs. Raises as `opened` does.
    """
    started = time.monotonic()
    with opened(settings, address, clock=clock) as intake:
        if intake is None:
            return IngestResult()
        ended = _until_drained(intake, max_events, idle_seconds, stop or threading.Event())
        return IngestResult(seconds=time.monotonic() - started, ended=ended, **intake.counts)


def follow(settings: Settings, stop: threading.Event, *, clock: Clock | None = None) -> IngestResult:
    """Store what arrives until `stop` is set. Returns at once where another ingest runs."""
    started = time.monotonic()
    with opened(settings, clock=clock) as intake:
        if intake is None:
            return IngestResult()
        while not stop.is_set():
            intake.step()
        return IngestResult(seconds=time.monotonic() - started, ended="stopped", **intake.counts)


def _until_drained(intake: Intake, max_events: int | None, idle_seconds: float, stop: threading.Event) -> str:
    taken, quiet_since = 0, time.monotonic()
    while not stop.is_set():
        if max_events is not None and taken >= max_events:
            return "limit"
        moved = intake.step(BATCH if max_events is None else min(BATCH, max_events - taken))
        if intake.drained:
            return "drained"
        if moved:
            taken, quiet_since = taken + moved, time.monotonic()
        elif time.monotonic() - quiet_since > idle_seconds:
            return "idle"
    return "stopped"
