"""Writing: how a batch takes effect, rows, dead letters and offsets in one transaction.

Belongs here: what is stored, what is set aside, when the ingest must halt. Where batches come from is `reading`, how
rows reach PostgreSQL is `rows`.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from confluent_kafka import Message

from bevyly.clock import Clock
from bevyly.events import dead_letters
from bevyly.events.bus import Publisher
from bevyly.events.dead_letters import DeadLetter
from bevyly.events.failpoints import failpoint
from bevyly.privacy.late import LateEvents, is_late, last_erasures
from bevyly.privacy.marks import Marks
from pipelines.dead_letters.limit import StopLimit, TooManyDeadLetters, halt, standing_halt
from pipelines.dead_letters.store import record
from pipelines.intake import metrics, rows
from pipelines.intake.messages import Incoming, readable
from pipelines.intake.offsets import move
from pipelines.intake.reading import Batch

Connection = psycopg.Connection[tuple[Any, ...]]

# later than this, and the clock that wrote the event is wrong
SKEW = timedelta(minutes=10)
# what a wrong deployment would make of healthy events
DEPLOYMENT_CODES = frozenset(
    {
        *("bad_envelope", "unknown_event_type", "unknown_schema_version", "contract_violation", "wrong_topic"),
        "unstorable",
    }
)


@dataclass
class Outcome:
    """What became of a batch, and whether its events were stored one by one."""

    singly: bool = False
    new: int = 0
    from_the_future: int = 0
    letters: list[DeadLetter] = field(default_factory=list)
    strangers: list[Incoming] = field(default_factory=list)
    late: list[Incoming] = field(default_factory=list)
    erasures: Mapping[str, datetime] = field(default_factory=dict)


class Writer:
    """Stores batches over a connection that leads."""

    def __init__(
        self,
        connection: Connection,
        consumer: str,
        *,
        make_publisher: Callable[[], Publisher],
        make_marks: Callable[[], Marks],
        clock: Clock,
    ) -> None:
        """Raises `TooManyDeadLetters` where the consumer is halted."""
        if reason := standing_halt(connection, consumer):
            raise TooManyDeadLetters(f"{consumer} is halted until `bevyly streams release {consumer}`: {reason}")
        self._connection = connection
        self._consumer = consumer
        self._make_publisher = make_publisher
        self._late_events = LateEvents(connection, make_marks)
        self._clock = clock
        self._tenants: set[str] = set()
        self._repeats = False
        self._limit = StopLimit(consumer)
        self._limit.remember(connection, codes=DEPLOYMENT_CODES)
        rows.prepare(connection)
        self.counts: Counter[str] = Counter()

    def store(self, batch: Batch) -> None:
        """Apply `batch` whole or not at all. Raises `TooManyDeadLetters` and notes the halt where we are at fault."""
        with metrics.batch_seconds.time():
            try:
                outcome = self._apply_somehow(batch)
            except TooManyDeadLetters as error:
                halt(self._connection, self._consumer, error.detail)
                raise
        failpoint("after_commit")
        self._count(batch.messages, outcome)

    def ping(self) -> None:
        """Keep the lease while nothing arrives."""
        self._connection.execute("select 1")

    def _apply_somehow(self, batch: Batch) -> Outcome:
        """Repeats come in runs (a relay that died, a group that was reset), so where one was found they are expected
        until a batch has none. One event that does not fit must not hold up the others."""
        try:
            return self._apply(batch, Outcome())
        except rows.RepeatedEvent:
            if self._repeats:
                raise
            self._repeats = True
            return self._apply_somehow(batch)
        except rows.UNSTORABLE:
            return self._apply(batch, Outcome(singly=True))

    def _apply(self, batch: Batch, outcome: Outcome) -> Outcome:
        with self._connection.transaction():
            outcome.erasures = last_erasures(self._connection)
            self._write(readable(batch.messages, outcome.letters), outcome)
            if outcome.strangers:
                self._write_strangers(outcome)
            self._empty(outcome.late)
            self._note_failures(len(batch.messages), outcome.letters)
            if outcome.letters:
                self._set_aside(outcome.letters)
            failpoint("before_commit")
            move(self._connection, self._consumer, batch.moves)
        return outcome

    def _write(self, events: Iterable[Incoming], outcome: Outcome) -> None:
        known = self._of_known_tenants(events, outcome)
        if outcome.singly:
            self._write_singly(known, outcome)
        else:
            outcome.new += (rows.merge if self._repeats else rows.append)(self._connection, known)

    def _write_singly(self, events: Iterable[Incoming], outcome: Outcome) -> None:
        for incoming in events:
            try:
                with self._connection.transaction():
                    outcome.new += rows.append(self._connection, [incoming])
            except rows.RepeatedEvent:
                continue
            except rows.UNSTORABLE as error:
                reason = " ".join(str(error).split())
                outcome.letters.append(DeadLetter(message=incoming.message, code="unstorable", reason=reason))

    def _of_known_tenants(self, events: Iterable[Incoming], outcome: Outcome) -> Iterator[Incoming]:
        horizon, tenants = self._clock.now() + SKEW, self._tenants
        for incoming in events:
            if incoming.event.tenant_id in tenants:
                outcome.from_the_future += incoming.event.time > horizon
                if is_late(outcome.erasures, incoming.event.tenant_id, incoming.event.recorded_time):
                    outcome.late.append(incoming)
                yield incoming
            else:
                outcome.strangers.append(incoming)

    def _write_strangers(self, outcome: Outcome) -> None:
        """Events of tenants that were not known yet: nothing can be asked while rows are on their way."""
        strangers, outcome.strangers = outcome.strangers, []
        self._tenants |= rows.known_tenants(self._connection, {one.event.tenant_id for one in strangers})
        self._write(strangers, outcome)
        outcome.letters += [
            DeadLetter(message=one.message, code="unknown_tenant", reason=f"no tenant {one.event.tenant_id}")
            for one in outcome.strangers
        ]

    def _empty(self, late: list[Incoming]) -> None:
        """Somebody may have been erased after these events were recorded: they must not bring them back."""
        if late:
            told = [
                (one.event.tenant_id, one.event.id, one.event.subject_id, one.event.recorded_time, one.data)
                for one in late
            ]
            metrics.emptied.inc(self._late_events.empty(told))

    def _set_aside(self, letters: list[DeadLetter]) -> None:
        record(self._connection, letters, consumer=self._consumer)
        at, publisher = self._clock.now(), self._make_publisher()
        dead_letters.publish(publisher, letters, consumer=self._consumer, at=at, while_waiting=self.ping)

    def _note_failures(self, arrived: int, letters: list[DeadLetter]) -> None:
        ours = [letter for letter in letters if letter.code in DEPLOYMENT_CODES]
        reason = ours[-1].reason if ours else ""
        self._limit.note(handled=arrived - len(letters), failed=len(ours), reason=reason)

    def _count(self, messages: list[Message], outcome: Outcome) -> None:
        self._repeats = self._repeats and len(messages) > outcome.new + len(outcome.letters)
        numbers = {
            "rows": outcome.new,
            "duplicates": len(messages) - len(outcome.letters) - outcome.new,
            "dead_letters": len(outcome.letters),
        }
        self.counts.update(numbers)
        for name, number in numbers.items():
            metrics.ingested.labels(outcome=name).inc(number)
        metrics.from_the_future.inc(outcome.from_the_future)
        metrics.batch_events.observe(len(messages))
        _, produced = messages[-1].timestamp()
        metrics.newest_age.set(max(0.0, time.time() - produced / 1000))
