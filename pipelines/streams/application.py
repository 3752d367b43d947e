"""How a batch takes effect: events and offsets in one transaction, poison set aside, what is behind it parked.

Belongs here: the transaction of one batch. Where batches come from is `assignment`, what runs them `runner`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog

from bevyly.clock import Clock
from bevyly.db.leadership import DATABASE_AWAY
from bevyly.errors import Unavailable
from bevyly.events import dead_letters
from bevyly.events.bus import Publisher
from bevyly.events.dead_letters import DeadLetter
from bevyly.events.envelope import Event
from bevyly.events.failpoints import failpoint
from pipelines.dead_letters.limit import StopLimit
from pipelines.dead_letters.store import PARKED, Subject, held_back, holding, record
from pipelines.intake.messages import Incoming
from pipelines.intake.offsets import OffsetsMoved, Partition, move

Connection = psycopg.Connection[tuple[Any, ...]]
Handler = Callable[[Connection, Sequence[Event]], None]

TRIES = 3
FAILED = "handler_failed"
_TOO_COMPLEX = "54"
_log = structlog.get_logger()


class Halted(Unavailable):
    """The consumer was halted, by this process or another one."""

    code = "consumer_halted"


@dataclass
class Outcome:
    """What became of a batch."""

    applied: int = 0
    failed: list[DeadLetter] = field(default_factory=list)
    parked: list[DeadLetter] = field(default_factory=list)


def is_outage(error: BaseException) -> bool:
    """Whether waiting helps: something is away, or another process has moved on. Everything else is the event's or
    the handler's fault, also what PostgreSQL cannot hold (class 54: too long for an index, nested too deeply)."""
    if isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_TOO_COMPLEX):
        return False
    return isinstance(error, (*DATABASE_AWAY, Unavailable, OffsetsMoved))


class Application:
    """Applies the batches of one consumer with its handler."""

    def __init__(
        self,
        consumer: str,
        *,
        handler: Handler,
        limit: StopLimit,
        make_publisher: Callable[[], Publisher],
        clock: Clock,
        database: Connection,
    ) -> None:
        self._consumer = consumer
        self._handler = handler
        self._limit = limit
        self._make_publisher = make_publisher
        self._clock = clock
        self._database = database

    def apply(self, batch: Sequence[Incoming], moves: Mapping[Partition, tuple[int, int]]) -> Outcome:
        """Apply `batch` and move the offsets, or neither. Raises `TooManyDeadLetters`, `Halted`, or an outage."""
        try:
            outcome = self._together(batch, moves)
        except Exception as error:  # a handler may fail in any way
            if is_outage(error):
                raise
            _log.warning("batch failed", stream=self._consumer, events=len(batch), error=repr(error)[:300])
            outcome = self._in_parts(batch, moves)
        reason = outcome.failed[-1].reason if outcome.failed else ""
        self._limit.note(handled=outcome.applied, failed=len(outcome.failed), reason=reason)
        return outcome

    def _together(self, batch: Sequence[Incoming], moves: Mapping[Partition, tuple[int, int]]) -> Outcome:
        outcome = Outcome()
        with self._database.transaction():
            move(self._database, self._consumer, moves)
            free = self._unless_behind(self._open_subjects(batch), batch, outcome)
            if free:
                self._handler(self._database, [one.event for one in free])
            record(self._database, outcome.parked, consumer=self._consumer)
            failpoint("before_commit")
        outcome.applied = len(free)
        return outcome

    def _in_parts(self, batch: Sequence[Incoming], moves: Mapping[Partition, tuple[int, int]]) -> Outcome:
        outcome = Outcome()
        with self._database.transaction():
            move(self._database, self._consumer, moves)
            blocked = self._open_subjects(batch)
            for half in _halves(batch):
                self._divide(half, blocked, outcome, of=len(batch))
            self._check(outcome, handled=outcome.applied)
            record(self._database, outcome.failed + outcome.parked, consumer=self._consumer)
            if outcome.failed:
                publisher, now = self._make_publisher(), self._clock.now()
                dead_letters.publish(publisher, outcome.failed, consumer=self._consumer, at=now)
            failpoint("before_commit")
        return outcome

    def _divide(self, batch: Sequence[Incoming], blocked: set[Subject], outcome: Outcome, *, of: int) -> None:
        """Apply `batch` in its order, halving what fails until the poison stands alone: for one among hundreds that
        takes twenty calls of the handler. What follows it on its subject is parked."""
        free = self._unless_behind(blocked, batch, outcome)
        error = self._attempt(free)
        if error is None:
            outcome.applied += len(free)
        elif len(free) > 1:
            for half in _halves(free):
                self._divide(half, blocked, outcome, of=of)
        else:
            self._set_aside(free[0], error, blocked, outcome)
            self._check(outcome, handled=of - len(outcome.failed))

    def _set_aside(self, one: Incoming, error: Exception, blocked: set[Subject], outcome: Outcome) -> None:
        for _ in range(TRIES - 1):
            again = self._attempt([one])
            if again is None:
                outcome.applied += 1
                return
            error = again
        reason = f"{type(error).__name__}: {error}"
        outcome.failed.append(DeadLetter(message=one.message, code=FAILED, reason=reason, tries=TRIES))
        blocked.add(_subject(one))

    def _attempt(self, batch: Sequence[Incoming]) -> Exception | None:
        if not batch:
            return None
        try:
            with self._database.transaction():
                self._handler(self._database, [one.event for one in batch])
        except Exception as error:  # a handler may fail in any way: its error is the reason
            if is_outage(error):
                raise
            return error
        return None

    def _check(self, outcome: Outcome, *, handled: int) -> None:
        if outcome.failed:
            self._limit.check(handled=handled, failed=len(outcome.failed), reason=outcome.failed[-1].reason)

    def _open_subjects(self, batch: Sequence[Incoming]) -> set[Subject]:
        open_letters, halted = holding(self._database, self._consumer)
        if halted:
            raise Halted(f"{self._consumer} is halted")
        return held_back(self._database, self._consumer, map(_subject, batch)) if open_letters else set()

    def _unless_behind(self, blocked: set[Subject], batch: Sequence[Incoming], outcome: Outcome) -> Sequence[Incoming]:
        if not blocked:
            return batch
        outcome.parked += [_parked(one) for one in batch if _subject(one) in blocked]
        return [one for one in batch if _subject(one) not in blocked]


def _subject(one: Incoming) -> Subject:
    return one.event.tenant_id, one.event.subject


def _parked(one: Incoming) -> DeadLetter:
    return DeadLetter(message=one.message, code=PARKED, reason=f"behind an open letter of {one.event.subject}", tries=0)


def _halves(batch: Sequence[Incoming]) -> tuple[Sequence[Incoming], Sequence[Incoming]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]
