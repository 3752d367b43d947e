"""Events that come late: recorded before an erasure, landed after it. What they say of the person is taken out.

An event that landed before is there still, emptied, so that its repetition finds its place taken. Only an event that
is older than the last erasure of its tenant is looked at, so an ingest that keeps up pays next to nothing.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import psycopg

from bevyly.privacy.erasing import change
from bevyly.privacy.marks import Marks
from bevyly.privacy.places import places
from bevyly.privacy.subject import Subject

Connection = psycopg.Connection[Any]

_LAST = "select customer_id, max(erased_at) from erased_marks group by customer_id"
_KNOWN = "select mark from erased_marks where customer_id = %s and mark = any(%s) and erased_at >= %s"
_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# behind `\n` in JSON the n belongs to nobody
_ADDRESS = re.compile(rb"(?:\\[nrtbf])?([\w.%+\x80-\xff-]{1,64}@[\w.\x80-\xff-]{1,255})")


def last_erasures(connection: Connection) -> dict[str, datetime]:
    """When somebody was last erased, by tenant."""
    return dict(connection.execute(_LAST).fetchall())


def is_late(erasures: Mapping[str, datetime], customer_id: str, recorded_at: datetime) -> bool:
    """Whether an event may be about somebody who was erased after it was recorded."""
    erased_at = erasures.get(customer_id)
    return erased_at is not None and recorded_at <= erased_at


class LateEvents:
    """Empties events that have just landed, in the transaction in which they did."""

    def __init__(self, connection: Connection, make_marks: Callable[[], Marks]) -> None:
        self._connection = connection
        self._make_marks = make_marks

    def empty(self, events: Iterable[tuple[str, str, str, datetime, bytes]]) -> int:
        """Look at events (tenant, id, id of the subject, when recorded, JSON of the data); how many were emptied."""
        marks = self._make_marks()
        place = next(place for place in places(self._connection) if place.store.table == "raw.events")
        emptied = 0
        for customer_id, event_id, subject_id, recorded_at, data in events:
            subject = self._erased(marks, customer_id, recorded_at, subject_id.encode() + b" " + data)
            if subject is not None:
                parameters = subject.parameters(marks) | {"event": event_id}
                change(self._connection, place, parameters, only="t.event_id = %(event)s")
                emptied += 1
        return emptied

    def _erased(self, marks: Marks, customer_id: str, recorded_at: datetime, text: bytes) -> Subject | None:
        """Who of those that `text` names was erased."""
        named = {
            found.decode(errors="replace").lower().strip(".") for found in (*_ID.findall(text), *_ADDRESS.findall(text))
        }
        by_mark = {mark: value for value in named for mark in marks.all(customer_id, value)}
        rows = self._connection.execute(_KNOWN, (customer_id, list(by_mark), recorded_at)).fetchall()
        values = {by_mark[row[0]] for row in rows}
        if not values:
            return None
        emails = {value for value in values if "@" in value}
        return Subject(customer_id=customer_id, contacts=dict.fromkeys(values - emails, 0), emails=emails)
