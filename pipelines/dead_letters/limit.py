"""The stop limit: a consumer whose events fail in a row is broken itself, and must not drain its topic into letters.

Belongs here: counting, and the halts that outlive a process. Which failures count is for the consumer to say.
"""

from collections import deque
from collections.abc import Collection
from typing import Any

import psycopg
from prometheus_client import Gauge

from bevyly.errors import Unavailable
from bevyly.events.dead_letters import plain

Connection = psycopg.Connection[tuple[Any, ...]]

RATIO, AT_LEAST, WINDOW = 0.5, 20, 1_000

halted = Gauge("bevyly_consumer_halted", "1 while a consumer waits for `bevyly streams release`", ["consumer"])

_HALT = """
insert into raw.consumer_halts (consumer, since, reason) values (%s, clock_timestamp(), %s) on conflict do nothing
"""
_STANDING = "select reason from raw.consumer_halts where consumer = %s and released_at is null"
_RELEASE = "update raw.consumer_halts set released_at = clock_timestamp() where consumer = %s and released_at is null"
# letters are rare: those that were made last, since the last release, and how far the group has come since each
_RECENT = """
select o.next_offset - min(d."offset"), count(*)
from raw.dead_letters d
join raw.consumer_offsets o on o.consumer_group = d.consumer and o.topic = d.topic and o.partition = d.partition
where d.consumer = %s and d.code <> 'parked' and d."offset" >= o.next_offset - %s
  and (%s::text[] is null or d.code = any(%s))
  and d.created_at > coalesce((select max(h.released_at) from raw.consumer_halts h where h.consumer = d.consumer),
                              '-infinity')
group by d.topic, d.partition, o.next_offset
"""


class TooManyDeadLetters(Unavailable):
    """So many of a consumer's last events fail that the consumer is at fault: wait for a person, lose nothing."""

    code = "too_many_dead_letters"


class StopLimit:
    """Counts what became of a consumer's last `window` events, batch by batch.

    It trips as soon as, of the last so many of them (any number up to the window), more than `ratio` and at least
    `at_least` failed: a handler that begins to fail is noticed however much went well before.
    """

    def __init__(self, consumer: str, ratio: float = RATIO, at_least: int = AT_LEAST, window: int = WINDOW) -> None:
        self.consumer = consumer
        self._ratio = ratio
        self._at_least = at_least
        self._window = window
        self._batches: deque[tuple[int, int]] = deque()

    def note(self, *, handled: int, failed: int, reason: str) -> None:
        """`handled` events took effect and `failed` became letters, the last one for `reason`; what was parked is
        neither. Raises `TooManyDeadLetters` as `check` does.
        """
        self.check(handled=handled, failed=failed, reason=reason)
        self._batches.append((handled, failed))
        self._trim()

    def check(self, *, handled: int, failed: int, reason: str) -> None:
        """Whether a batch with these numbers may be committed: raises `TooManyDeadLetters` if not.

        The window is forgotten then: who is released begins anew.
        """
        if not failed:
            return
        seen, bad = 0, 0
        for good, poor in ((handled, failed), *reversed(self._batches)):
            seen, bad = seen + good + poor, bad + poor
            if bad >= self._at_least and bad > self._ratio * seen:
                self._batches.clear()
                raise TooManyDeadLetters(f"{bad} of the last {seen} events of {self.consumer} fail: {reason}")

    def remember(self, connection: Connection, *, codes: Collection[str] | None = None) -> None:
        """Begin with the letters of the process before: restarts must not add up to a drained topic.

        `codes`: those that the consumer counts as failures, where it does not count all.
        """
        self._batches.clear()
        reach = int(self._at_least / self._ratio)
        counted = None if codes is None else list(codes)
        for passed, failed in connection.execute(_RECENT, (self.consumer, reach, counted, counted)).fetchall():
            self._batches.append((max(int(passed) - int(failed), 0), int(failed)))

    def _trim(self) -> None:
        counted = sum(good + poor for good, poor in self._batches)
        while self._batches and counted - sum(self._batches[0]) >= self._window:
            counted -= sum(self._batches.popleft())


def halt(connection: Connection, consumer: str, reason: str) -> None:
    """Note that `consumer` has stopped; a halt that stands already keeps its reason."""
    connection.execute(_HALT, (consumer, plain(reason)))
    halted.labels(consumer=consumer).set(1)


def standing_halt(connection: Connection, consumer: str) -> str | None:
    """Why `consumer` must wait, or None where it may work."""
    row = connection.execute(_STANDING, (consumer,)).fetchone()
    halted.labels(consumer=consumer).set(0 if row is None else 1)
    return None if row is None else str(row[0])


def release(connection: Connection, consumer: str) -> bool:
    """Let `consumer` go on; False where it was not halted."""
    return connection.execute(_RELEASE, (consumer,)).rowcount > 0
