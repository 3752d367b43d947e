"""What the marts say of a history small enough to work out by hand, what they hide from the past, and from whom."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from bevyly.ids import new_id
from tests.dbt.warehouse import Event, Warehouse

OPENED = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = OPENED + timedelta(days=20)
DEAL, LEAD, LATE = "deal", "lead", "late"
_MAIL, _ANSWER = "email.sent", "email.received"
IN_TOUCH: dict[str, tuple[list[tuple[int, str, dict[str, Any]]], tuple[float | None, ...]]] = {
    "talked, then tried": (
        [(2, _MAIL, {}), (5, "call.completed", {"duration_seconds": 120}), (6, _MAIL, {}),
         (7, "call.completed", {"duration_seconds": 119}), (8, "call.completed", {})],
        (15.0, 3.0, None, 2.0),
    ),
    "never heard of": ([(2, _MAIL, {}), (5, "call.completed", {"duration_seconds": 20})], (None, 2.0, None, 1.0)),
    "waits for an answer": (
        [(2, _MAIL, {}), (3, _ANSWER, {}), (8, "form.submitted", {}), (9, "page.viewed", {})], (11.0, 0.0, 17.0, 1.0)
    ),
    "was called back": ([(3, _ANSWER, {}), (4, "call.completed", {})], (17.0, 1.0, None, 0.0)),
    "wrote, then called and talked": (
        [(3, _ANSWER, {}), (4, "call.completed", {"direction": "inbound", "duration_seconds": 300})],
        (16.0, 0.0, None, 0.0),
    ),
    "we talked among ourselves": (
        [(3, _ANSWER, {}), (4, "call.completed", {"direction": "internal", "duration_seconds": 300})],
        (17.0, 0.0, 17.0, 0.0),
    ),
    "wrote, called and met nobody": (
        [(3, _ANSWER, {}), (4, "call.completed", {"direction": "inbound", "duration_seconds": 3})],
        (16.0, 0.0, 17.0, 0.0),
    ),
}  # fmt: skip
"""Touches of leads by day, and what comes of them: days since contact, attempts since, days unanswered, mails sent."""


def history(tenant: str) -> list[Event]:
    """A lead that becomes a deal; the customer replies after three days, but the reply is recorded on day 10."""
    numbers = iter(range(1, 100))

    def event(
        event_type: str, subject: str, days: float, data: dict[str, Any], *, recorded: float | None = None
    ) -> Event:
        number = next(numbers)
        late = None if recorded is None else OPENED + timedelta(days=recorded)
        return Event(tenant, f"e{number}", event_type, subject, number, OPENED + timedelta(days=days), data, late)

    lead, deal = {"lead_id": LEAD}, {"opportunity_id": DEAL}
    touch = {"owner_id": "ann", **deal}
    dates = {"before": {"expected_close_date": "2026-03-20"}, "after": {"expected_close_date": "2026-03-27"}}
    return [
        event("lead.created", LEAD, -5, lead | {"status": "new", "contact_name": "Kim", "owner_id": "ann"}),
        event("call.completed", "a1", -4, lead | {"activity_id": "a1", "duration_seconds": 60, "owner_id": "bo"}),
        event("lead.converted", LEAD, 0, lead | deal),
        event(
            "opportunity.created",
            DEAL,
            0,
            deal
            | lead
            | {
                "name": "Deal",
                "stage": "proposal",
                "value_minor": 1000,
                "currency": "EUR",
                "owner_id": "ann",
                "expected_close_date": "2026-03-20",
                "custom": {"product": "x"},
            },
        ),
        event("proposal.sent", "a2", 1, touch | {"activity_id": "a2"}),
        event("email.received", "a3", 3, touch | {"activity_id": "a3"}, recorded=10),
        event(
            "opportunity.stage_changed",
            DEAL,
            12,
            deal | {"from_stage": "proposal", "to_stage": "negotiation", "status": "open"},
        ),
        event("opportunity.updated", DEAL, 13, deal | dates),
        event(
            "meeting.scheduled",
            "a4",
            13,
            touch | {"activity_id": "a4", "due_at": (OPENED + timedelta(days=25)).isoformat()},
        ),
        event(
            "opportunity.stage_changed",
            DEAL,
            16,
            deal | {"from_stage": "negotiation", "to_stage": "won", "status": "won"},
            recorded=17,
        ),
        event("lead.created", LATE, 0, {"lead_id": LATE, "status": "new", "value_minor": "a lot"}),
    ]


def touches_of_leads(tenant: str) -> list[Event]:
    """What is in `IN_TOUCH`."""
    numbers = iter(range(1, 100))

    def event(kind: str, subject: str, day: int, data: dict[str, Any]) -> Event:
        number = next(numbers)
        at = OPENED.replace(hour=0) + timedelta(days=day)  # features are as of the start of a day
        return Event(tenant, f"t{number}", kind, subject, number, at, data)

    created = [event("lead.created", lead, 0, {"lead_id": lead, "status": "new"}) for lead in IN_TOUCH]
    return created + [
        event(kind, f"{lead}{day}", day, {"lead_id": lead, "activity_id": f"{lead}{day}", **data})
        for lead, (touches, _) in IN_TOUCH.items()
        for day, kind, data in touches
    ]


@pytest.fixture(scope="module")
def tenants(warehouse: Warehouse) -> tuple[str, str, str]:
    """A tenant with the history, a canary with the same one, and one with leads in touch, built once."""
    three = (new_id(), new_id(), new_id())
    for tenant in three[:2]:
        warehouse.load(history(tenant))
    warehouse.load(touches_of_leads(three[2]))
    warehouse.dbt("build", now=NOW.isoformat())
    return three


def snapshot(warehouse: Warehouse, tenant: str, moment: str) -> dict[str, Any]:
    query = "select * from marts.opportunity_snapshots where customer_id = %s and opportunity_id = %s and moment = %s"
    return warehouse.row(query, (tenant, DEAL, moment))


def test_figures_of_a_snapshot(warehouse: Warehouse, tenants: tuple[str, str, str]) -> None:
    row = snapshot(warehouse, tenants[0], "opened+14d")
    expected = {
        "stage": "negotiation",
        "age_days": 14.0,
        "days_in_stage": 2.0,
        "stage_changes": 1.0,
        "close_date_slips": 1.0,
        "close_date_slip_days": 7.0,
        "days_to_close": 11.0,
        "outbound_total": 2.0,
        "inbound_total": 1.0,
        "proposals_sent": 1.0,
        "median_reply_hours": 48.0,
        "days_since_last_inbound": 11.0,
        "outbound_since_last_inbound": 1.0,
        "has_next_step": 1.0,
        "next_step_in_days": 11.0,
        "lead_age_at_open_days": 5.0,
        "lead_calls_total": 1.0,
        "lead_call_seconds_total": 60.0,
        "calls_total": 0.0,
        "attributes": {"product": "x"},
        "last_inbound_event_id": "e6",
        "stage_event_id": "e7",
        "close_date_event_id": "e8",
    }
    assert {name: row[name] for name in expected} == expected
    decayed = 3 * 0.5 ** (11 / 14) + 1 * 0.5 ** (1 / 14)
    assert row["engagement_decayed"] == pytest.approx(decayed, abs=1e-6)


@pytest.mark.parametrize("lead", IN_TOUCH)
def test_who_was_in_touch_with_whom(warehouse: Warehouse, tenants: tuple[str, str, str], lead: str) -> None:
    touches, expected = IN_TOUCH[lead]
    row = warehouse.row("select * from marts.lead_features where customer_id = %s and lead_id = %s", (tenants[2], lead))
    names = ("days_since_contact", "attempts_since_contact", "unanswered_days", "emails_sent")
    assert tuple(row[name] for name in names) == expected
    first = next((day for day, kind, _ in touches if kind == _ANSWER), None)
    event = warehouse.row(
        "select max(event_id) as id from raw.events where customer_id = %s and data ->> 'activity_id' = %s",
        (tenants[2], f"{lead}{first}"),
    )
    assert row["unanswered_event_id"] == (event["id"] if expected[2] else None)


def test_what_was_recorded_later_is_not_seen(warehouse: Warehouse, tenants: tuple[str, str, str]) -> None:
    row = snapshot(warehouse, tenants[0], "opened+7d")
    assert (row["inbound_total"], row["last_inbound_event_id"], row["stage"]) == (0.0, None, "proposal")


def test_snapshots_end_with_the_decision(warehouse: Warehouse, tenants: tuple[str, str, str]) -> None:
    query = "select moment from marts.opportunity_snapshots where customer_id = %s order by as_of"
    moments = [row["moment"] for row in warehouse.rows(query, (tenants[0],))]
    assert moments == ["opened+0d", "opened+7d", "opened+14d"]
    assert warehouse.rows("select from marts.opportunity_features where customer_id = %s", (tenants[0],)) == []


def test_outcomes(warehouse: Warehouse, tenants: tuple[str, str, str]) -> None:
    query = "select lead_id, outcome, decided_at from marts.lead_outcomes where customer_id = %s order by lead_id"
    assert [tuple(row.values()) for row in warehouse.rows(query, (tenants[0],))] == [
        (LATE, "open", None),
        (LEAD, "won", OPENED + timedelta(days=16)),
    ]


def test_a_malformed_value_is_unknown(warehouse: Warehouse, tenants: tuple[str, str, str]) -> None:
    row = warehouse.row("select * from marts.lead_features where customer_id = %s", (tenants[0],))
    assert (row["lead_id"], row["value_minor"], row["age_days"]) == (LATE, None, 19.625)


@pytest.mark.parametrize("arguments", [("run",), ("run", "--full-refresh")], ids=["incremental", "full refresh"])
def test_a_tenant_sees_its_own_rows_after_each_run(
    warehouse: Warehouse, tenants: tuple[str, str, str], arguments: tuple[str, ...]
) -> None:
    warehouse.dbt(*arguments, now=NOW.isoformat())
    with psycopg.connect(warehouse.database.app_url) as connection:
        connection.execute("select set_config('bevyly.customer_id', %s, false)", (tenants[0],))
        for mart in ("lead_features", "opportunity_snapshots", "opportunity_outcomes"):
            seen = connection.execute(f"select distinct customer_id from marts.{mart}").fetchall()
            assert seen == [(tenants[0],)], mart
        connection.execute("select set_config('bevyly.customer_id', '', false)")
        assert connection.execute("select from marts.lead_features").fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select fields from intermediate.int_leads_changed")
