"""Redriving: letters take effect after all, once each and in the order of their origin, or stay open and say why.

A stream's letter goes straight to the stream's handler, in the transaction that marks it. A letter of the ingest was
unreadable for everybody: it goes through the outbox again, and from there to all consumers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import psycopg
import structlog

from bevyly.errors import NotFound
from bevyly.events.dead_letters import plain
from bevyly.events.envelope import Event
from bevyly.events.outbox import copy_to_outbox
from pipelines.dead_letters import letters
from pipelines.dead_letters.letters import OPEN, REDRIVEN, FullLetter, Letter, Selection
from pipelines.dead_letters.store import PARKED
from pipelines.intake.messages import Refused, read
from pipelines.intake.rows import known_tenants
from pipelines.streams.application import FAILED, Handler, is_outage

Connection = psycopg.Connection[tuple[Any, ...]]
FindHandler = Callable[[str], Handler]

INGEST = "raw"
OVERRIDE = "--out-of-order sends it nevertheless"
_ARRIVED = """
select w.id from unnest(%s::varchar[], %s::varchar[], %s::varchar[]) as w (id, customer_id, event_id)
join raw.events e using (customer_id, event_id)
"""
_NEWER = """
select w.id, max(e.sequence)
from unnest(%s::varchar[], %s::varchar[], %s::varchar[], %s::varchar[], %s::bigint[])
  as w (id, customer_id, subject_type, subject_id, sequence)
join raw.events e using (customer_id, subject_type, subject_id)
where e.sequence > w.sequence
group by w.id
"""
_EARLIER = """
select later.id, min(first.id) from raw.dead_letters later
join raw.dead_letters first using (consumer, customer_id, subject)
where later.id = any(%(ids)s) and first.position < later.position and first.status = 'open'
  and first.id <> all(%(ids)s)
group by later.id
"""
_log = structlog.get_logger()


@dataclass(frozen=True)
class Result:
    """What became of one letter: `redriven` or still `open`, and how or why."""

    id: str
    status: str
    detail: str


class Redrive:
    """One redrive over one connection (autocommit), as `actor` asked for it."""

    def __init__(self, connection: Connection, *, find_handler: FindHandler, actor: str) -> None:
        self._connection = connection
        self._find_handler = find_handler
        self._by = f"by {actor}"

    def run(self, chosen: Iterable[Letter], *, out_of_order: bool = False) -> Iterator[Result]:
        """Redrive `chosen`, and what is parked behind one of them; each result is final when it is given.

        Raises what means an outage (`is_outage`): what was not given by then is as it was.
        """
        for (consumer, customer_id, subject), group in groupby(sorted(chosen, key=_group), key=_group):
            ids = {letter.id for letter in group}
            if consumer == INGEST:
                results = self._publish(ids, out_of_order=out_of_order)
            else:
                results = self._apply(consumer, customer_id, subject, ids)
            results |= self._resolved_before(ids - results.keys())
            for result in results.values():
                _log.info("redrive", letter=result.id, status=result.status, detail=result.detail)
                yield result

    def _apply(self, consumer: str, customer_id: str, subject: str, ids: set[str]) -> dict[str, Result]:
        """Letters of one subject in one transaction. The first that fails, or was not asked for, holds up the rest."""
        try:
            handler = self._find_handler(consumer)
        except NotFound as error:
            return {one: Result(one, OPEN, error.detail) for one in ids}
        results: dict[str, Result] = {}
        in_the_way: str | None = None
        with self._connection.transaction():
            for letter in letters.lock_subject(self._connection, consumer, customer_id, subject):
                if in_the_way is None and (letter.id in ids or (results and letter.code == PARKED)):
                    results[letter.id] = self._apply_one(handler, letter)
                    in_the_way = letter.id if results[letter.id].status == OPEN else None
                elif letter.id in ids:
                    results[letter.id] = Result(letter.id, OPEN, f"{in_the_way} comes first on {subject}")
                else:
                    in_the_way = in_the_way or letter.id
        return results

    def _apply_one(self, handler: Handler, letter: FullLetter) -> Result:
        try:
            event, _ = read(letter.topic, letter.payload)
            with self._connection.transaction():
                handler(self._connection, [event])
        except Refused as error:
            return self._failed(letter, code=error.context["code"], reason=error.detail)
        except Exception as error:  # whatever the handler raises is the letter's new reason
            if is_outage(error):
                raise
            return self._failed(letter, code=FAILED, reason=f"{type(error).__name__}: {error}")
        return self._redriven(letter.id, f"applied {self._by}")

    def _publish(self, ids: set[str], *, out_of_order: bool) -> dict[str, Result]:
        """Letters of the ingest that are events now go to the outbox, in one transaction, in the order they came."""
        with self._connection.transaction():
            given = letters.lock(self._connection, ids)
            results = {}
            events: dict[str, Event] = {}
            for letter in given:
                try:
                    events[letter.id], _ = read(letter.topic, letter.payload)
                except Refused as error:
                    results[letter.id] = self._failed(letter, code=error.context["code"], reason=error.detail)
            for check in (self._strangers, self._arrived, *(() if out_of_order else (self._newer, self._earlier))):
                refused = check(events)
                results |= refused
                events = {id_: event for id_, event in events.items() if id_ not in refused}
            copy_to_outbox(self._connection, events.values())
            how = f"published again{' out of order' if out_of_order else ''} {self._by}"
            return results | {id_: self._redriven(id_, how) for id_ in events}

    def _strangers(self, events: Mapping[str, Event]) -> dict[str, Result]:
        known = known_tenants(self._connection, {event.tenant_id for event in events.values()})
        return {
            id_: Result(id_, OPEN, f"no tenant {event.tenant_id}")
            for id_, event in events.items()
            if event.tenant_id not in known
        }

    def _arrived(self, events: Mapping[str, Event]) -> dict[str, Result]:
        columns = [list(events), [one.tenant_id for one in events.values()], [one.id for one in events.values()]]
        arrived = [row[0] for row in self._connection.execute(_ARRIVED, columns).fetchall()]
        return {id_: self._redriven(id_, f"was in raw.events already, seen {self._by}") for id_ in arrived}

    def _newer(self, events: Mapping[str, Event]) -> dict[str, Result]:
        columns = [
            list(events),
            [one.tenant_id for one in events.values()],
            [one.subject_type for one in events.values()],
            [one.subject_id for one in events.values()],
            [one.sequence for one in events.values()],
        ]
        return {
            id_: Result(
                id_,
                OPEN,
                f"version {newest} of {events[id_].subject} has arrived, this is {events[id_].sequence}; {OVERRIDE}",
            )
            for id_, newest in self._connection.execute(_NEWER, columns).fetchall()
        }

    def _earlier(self, events: Mapping[str, Event]) -> dict[str, Result]:
        return {
            id_: Result(id_, OPEN, f"{first} comes first on {events[id_].subject}; {OVERRIDE}")
            for id_, first in self._connection.execute(_EARLIER, {"ids": list(events)}).fetchall()
        }

    def _redriven(self, id_: str, how: str) -> Result:
        letters.resolve(self._connection, [id_], status=REDRIVEN, resolution=how)
        return Result(id_, REDRIVEN, how)

    def _failed(self, letter: FullLetter, *, code: str, reason: str) -> Result:
        reason = plain(reason)
        letters.failed_again(self._connection, letter.id, code=code, reason=reason)
        return Result(letter.id, OPEN, reason)

    def _resolved_before(self, ids: set[str]) -> dict[str, Result]:
        found = letters.find(self._connection, Selection(ids=sorted(ids))) if ids else []
        return {one.id: Result(one.id, one.status, one.resolution or "") for one in found}


def _group(letter: Letter) -> tuple[str, str, str]:
    if letter.consumer == INGEST:
        return letter.consumer, "", ""
    return letter.consumer, letter.customer_id or "", letter.subject or ""
