"""What pipelines conclude, as events: signals, recommendations, briefings, told in the transaction that writes them.

Belongs here: the form of these events. When one is due is known where the rows are written.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg

from bevyly.clock import FixedClock
from bevyly.events.envelope import Event, new_event
from bevyly.events.outbox import copy_to_outbox

SOURCE = "bevyly/pipelines"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = Mapping[str, Any]


def execute_and_tell(
    connection: psycopg.Connection[Any], statement: str, parameters: Mapping[str, Any], type_: str, *, at: datetime
) -> int:
    """Run a statement that returns recommendations, and announce each of them as `type_`; how many."""
    cursor = connection.execute(statement.encode(), parameters)
    names = [column.name for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    tell(connection, (recommendation(type_, row, at=at) for row in rows))
    return len(rows)


def tell(connection: psycopg.Connection[Any], events: Iterable[Event]) -> None:
    """Publish `events` if and only if the open transaction commits."""
    due = list(events)
    if due:
        copy_to_outbox(connection, due)


def recommendation(type_: str, row: Row, *, at: datetime) -> Event:
    """What became of a recommendation; `row` has customer_id, id and version beside the data of the event."""
    data = {"recommendation_id": row["id"]} | _without(row, "customer_id", "id", "version")
    return _event(type_, row, ("recommendation", row["id"]), row["version"], data, at=at)


def signal_raised(row: Row, *, at: datetime) -> Event:
    """A signal was seen for the first time, or again after it was over."""
    data = {"signal_id": row["id"]} | _without(row, "customer_id", "id")
    return _event("signal.raised", row, ("signal", row["id"]), 2 * _micros(row["last_seen_at"]), data, at=at)


def signal_closed(row: Row, *, at: datetime) -> Event:
    """A signal is over. It was seen before it closed, and is seen again only later: times give its versions."""
    data = {"signal_id": row["id"]} | _without(row, "customer_id", "id")
    return _event("signal.closed", row, ("signal", row["id"]), 2 * _micros(row["closed_at"]) + 1, data, at=at)


def briefing_published(row: Row, *, at: datetime) -> Event:
    """A user has a new version of the briefing."""
    subject = ("briefing", row["user_id"])
    return _event("briefing.published", row, subject, row["version"], _without(row, "customer_id"), at=at)


def _event(
    type_: str, row: Row, subject: tuple[str, str], sequence: int, data: Mapping[str, Any], *, at: datetime
) -> Event:
    return new_event(
        type_,
        tenant_id=row["customer_id"],
        subject=subject,
        sequence=sequence,
        data={name: value.isoformat() if isinstance(value, date) else value for name, value in data.items()},
        clock=FixedClock(at),
        source=SOURCE,
    )


def _without(row: Row, *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
