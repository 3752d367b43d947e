"""What is changed of an activity later counts from when that is known, and what was known before stays as it was."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bevyly.ids import new_id
from tests.dbt.warehouse import Event, Warehouse

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
MOVED, LATE, REOPENED, CALLED, FROM, TO = "moved", "late", "reopened", "called", "from", "to"


def day(days: float) -> datetime:
    return START + timedelta(days=days)


def history(tenant: str) -> Iterable[Event]:
    """Deals with a meeting that is moved, another whose move is recorded late, a task that is opened again, a planned
    call that is held, and a reply that is moved from one deal to another.
    """
    versions: dict[str, int] = {}

    def event(event_type: str, subject: str, days: float, recorded: float | None = None, **data: Any) -> Event:
        version = versions[subject] = versions.get(subject, 0) + 1
        kind = "opportunity" if event_type.startswith("opportunity") else "activity"
        late = None if recorded is None else day(recorded)
        data = {f"{kind}_id": subject} | data
        return Event(tenant, f"{subject}-{version}", event_type, subject, version, day(days), data, late)

    def changed(subject: str, days: float, recorded: float | None = None, **after: Any) -> Event:
        return event("activity.updated", subject, days, recorded, kind="task", before={}, after=after)

    for deal in (MOVED, LATE, REOPENED, CALLED, FROM, TO):
        yield event("opportunity.created", deal, 0, stage="proposal")
    yield event("meeting.scheduled", "meeting", 1, opportunity_id=MOVED, due_at=day(10).isoformat())
    yield changed("meeting", 5, due_at=day(20).isoformat())
    yield changed("meeting", 8, due_at=day(25).isoformat())
    yield event("meeting.scheduled", "other", 1, opportunity_id=LATE, due_at=day(10).isoformat())
    yield changed("other", 5, 9, due_at=day(20).isoformat())
    yield changed("other", 6, owner_id="bo")
    yield event("task.created", "task", 1, opportunity_id=REOPENED, due_at=day(40).isoformat())
    yield event("task.completed", "task", 4, opportunity_id=REOPENED)
    yield changed("task", 9, completed_at=None)
    yield event("call.scheduled", "call", 2, opportunity_id=CALLED, due_at=day(10).isoformat(), direction="outbound")
    yield event("call.completed", "call", 8, opportunity_id=CALLED, duration_seconds=60, direction="outbound")
    yield event("email.received", "reply", 2, opportunity_id=FROM, contact_id="c1")
    yield changed("reply", 9, opportunity_id=TO, contact_id="c2", participants=[{"contact_id": "c3"}])


@pytest.fixture(scope="module")
def tenant(warehouse: Warehouse) -> str:
    """Its history, run by run as it becomes known, one of them before what it loads was recorded."""
    tenant = new_id()
    events, since = list(history(tenant)), -1.0
    for loaded, now in ((4.5, 4.5), (8.5, 7.5), (30.0, 15.0)):
        warehouse.load(one for one in events if day(since) < (one.recorded_at or one.occurred_at) <= day(loaded))
        warehouse.dbt("run", now=day(now).isoformat())
        since = loaded
    return tenant


def snapshots(warehouse: Warehouse, tenant: str, deal: str, column: str) -> list[Any]:
    """What one column says at the opening and each week later."""
    query = (
        f"select {column} as found from marts.opportunity_snapshots "
        "where (customer_id, opportunity_id) = (%s, %s) order by as_of"
    )
    return [row["found"] for row in warehouse.rows(query, (tenant, deal))]


def test_a_moved_meeting_is_due_when_it_was_known_to_be(warehouse: Warehouse, tenant: str) -> None:
    assert snapshots(warehouse, tenant, MOVED, "next_step_in_days") == [None, 13, 11]
    assert snapshots(warehouse, tenant, LATE, "next_step_in_days") == [None, 3, 6], "a move counts once it is recorded"
    assert snapshots(warehouse, tenant, MOVED, "outbound_total") == [0, 1, 1], "it is one meeting"


def test_a_task_that_is_opened_again_is_to_be_done(warehouse: Warehouse, tenant: str) -> None:
    assert snapshots(warehouse, tenant, REOPENED, "next_step_in_days") == [None, None, 26]


def test_a_planned_call_is_a_next_step_and_counts_once_it_is_held(warehouse: Warehouse, tenant: str) -> None:
    assert snapshots(warehouse, tenant, CALLED, "next_step_in_days") == [None, 3, None]
    assert snapshots(warehouse, tenant, CALLED, "calls_total") == [0, 0, 1]
    assert snapshots(warehouse, tenant, CALLED, "outbound_total") == [0, 0, 1]


def test_an_activity_counts_for_what_it_was_moved_to(warehouse: Warehouse, tenant: str) -> None:
    assert snapshots(warehouse, tenant, FROM, "inbound_total") == [0, 1, 0]
    assert snapshots(warehouse, tenant, TO, "inbound_total") == [0, 0, 1]
    query = (
        "select entity_id from intermediate.int_activities_linked where entity_type = 'contact' "
        "and activity_id = 'reply' and known_at <= %s and not coalesce(hidden @> %s, false) order by 1"
    )
    found = [[row["entity_id"] for row in warehouse.rows(query, (day(at), day(at)))] for at in (3, 10)]
    assert found == [["c1"], ["c2", "c3"]]


def test_the_runs_one_by_one_equal_a_full_one(warehouse: Warehouse, tenant: str) -> None:
    before = warehouse.contents()
    warehouse.dbt("build", "--full-refresh", now=day(15).isoformat())
    assert warehouse.contents() == before
    assert snapshots(warehouse, tenant, TO, "inbound_total") == [0, 0, 1]
