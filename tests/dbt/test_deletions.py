"""What is deleted counts until that is known, and counts again once it is restored."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bevyly.ids import new_id
from tests.dbt.warehouse import Event, Warehouse

OPENED = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = OPENED + timedelta(days=30)
KEPT, GONE, BACK, WON = "kept", "gone", "back", "won"
FIRM, CLOSED_FIRM = "firm", "closed firm"
WITHDRAWING = ("deleted", "restored")


def history(tenant: str) -> list[Event]:
    """Deals, leads, accounts, contacts and activities, some of which are deleted and some of those restored."""
    versions: dict[str, int] = {}

    def event(event_type: str, subject: str, days: float, recorded: float | None = None, **data: Any) -> Event:
        versions[subject] = versions.get(subject, 0) + 1
        kind = event_type.partition(".")[0]
        kind = kind if kind in ("account", "contact", "lead", "opportunity") else "activity"
        late = None if recorded is None else OPENED + timedelta(days=recorded)
        version, at = versions[subject], OPENED + timedelta(days=days)
        data = {f"{kind}_id": subject} | data
        return Event(tenant, f"{subject}-{version}", event_type, subject, version, at, data, late)

    def once_told(subject: str, days: float, deleted_at: str | None) -> Event:
        return event("opportunity.updated", subject, days, before={}, after={"deleted_at": deleted_at})

    deal = {"stage": "proposal", "owner_id": "ann", "account_id": FIRM}
    return [
        event("account.created", FIRM, -9, name="Firm", industry="tools"),
        event("account.created", CLOSED_FIRM, -9, name="Closed firm", industry="ships"),
        event("contact.created", "c1", -8, account_id=FIRM),
        event("contact.created", "c2", -8, account_id=FIRM),
        event("opportunity.created", WON, -7, **deal),
        event("opportunity.stage_changed", WON, -3, to_stage="won", status="won"),
        event("opportunity.created", KEPT, 0, **deal),
        event("opportunity.created", GONE, 0, **deal | {"account_id": CLOSED_FIRM}),
        event("opportunity.created", BACK, 0, **deal | {"account_id": CLOSED_FIRM}),
        event("lead.created", "l-gone", 0, status="new"),
        event("lead.created", "l-back", 0, status="new"),
        event("lead.created", "l-of-gone", 0, status="new"),
        event("lead.converted", "l-of-gone", 1, opportunity_id=GONE),
        event("call.completed", "call", 1, opportunity_id=KEPT, duration_seconds=60, direction="outbound"),
        event("email.received", "reply", 2, opportunity_id=KEPT, contact_id="c1"),
        event("meeting.scheduled", "meeting", 2, opportunity_id=KEPT, due_at=(OPENED + timedelta(days=60)).isoformat()),
        event("email.sent", "crossed", 1, opportunity_id=KEPT, direction="outbound"),
        event("activity.deleted", "crossed", 4, recorded=8),
        event("activity.restored", "crossed", 5),
        event("activity.deleted", "reply", 5),
        event("activity.deleted", "call", 6, recorded=8),
        event("activity.deleted", "meeting", 6),
        once_told(BACK, 6, "2026-03-08T09:00:00Z"),
        event("lead.deleted", "l-gone", 6),
        event("lead.deleted", "l-back", 6),
        event("contact.deleted", "c2", 9),
        event("opportunity.deleted", GONE, 10),
        event("opportunity.deleted", WON, 10),
        event("account.deleted", CLOSED_FIRM, 10),
        once_told(BACK, 12, None),
        event("lead.restored", "l-back", 12),
        event("activity.restored", "reply", 20),
    ]


def is_withdrawal(event: Event) -> bool:
    return event.type.endswith(WITHDRAWING) or "deleted_at" in event.data.get("after", {})


@pytest.fixture(scope="module")
def tenants(warehouse: Warehouse) -> tuple[str, str]:
    """One with deletions, one with the same history without them."""
    one, control = new_id(), new_id()
    warehouse.load(history(one))
    warehouse.load(event for event in history(control) if not is_withdrawal(event))
    warehouse.dbt("build", now=NOW.isoformat())
    return one, control


def snapshot(warehouse: Warehouse, tenant: str, deal: str, day: int) -> dict[str, Any] | None:
    query = "select * from marts.opportunity_snapshots where (customer_id, opportunity_id, moment) = (%s, %s, %s)"
    rows = warehouse.rows(query, (tenant, deal, f"opened+{day}d"))
    return rows[0] if rows else None


def ids(warehouse: Warehouse, mart: str, tenant: str, entity: str) -> set[str]:
    rows = warehouse.rows(f"select {entity}_id as id from marts.{mart} where customer_id = %s", (tenant,))
    return {row["id"] for row in rows}


@pytest.mark.parametrize(
    ("deal", "days"), [(KEPT, {0, 7, 14, 28}), (GONE, {0, 7}), (BACK, {0, 14, 28})], ids=[KEPT, GONE, BACK]
)
def test_a_deal_has_snapshots_while_it_is_not_deleted(
    warehouse: Warehouse, tenants: tuple[str, str], deal: str, days: set[int]
) -> None:
    for tenant, expected in zip(tenants, (days, {0, 7, 14, 28}), strict=True):
        assert {day for day in (0, 7, 14, 28) if snapshot(warehouse, tenant, deal, day)} == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (
            0,
            {
                "emails_total": 0,
                "calls_total": 0,
                "inbound_total": 0,
                "contacts_total": 2,
                "owner_won_180d": 1,
                "has_next_step": 0,
            },
        ),
        (
            7,
            {
                "emails_total": 1,
                "calls_total": 1,
                "inbound_total": 0,
                "contacts_total": 2,
                "owner_won_180d": 1,
                "has_next_step": 0,
            },
        ),
        (
            14,
            {
                "emails_total": 1,
                "calls_total": 0,
                "inbound_total": 0,
                "contacts_total": 1,
                "owner_won_180d": 0,
                "has_next_step": 0,
            },
        ),
        (
            28,
            {
                "emails_total": 2,
                "calls_total": 0,
                "inbound_total": 1,
                "contacts_total": 1,
                "owner_won_180d": 0,
                "has_next_step": 0,
            },
        ),
    ],
)
def test_what_is_withdrawn_counts_until_that_is_known(
    warehouse: Warehouse, tenants: tuple[str, str], day: int, expected: dict[str, float]
) -> None:
    row = snapshot(warehouse, tenants[0], KEPT, day)
    assert row is not None
    assert {name: row[name] for name in expected} == expected
    untouched = snapshot(warehouse, tenants[1], KEPT, 28)
    assert untouched is not None
    figures = {"calls_total": 1, "inbound_total": 1, "contacts_total": 2, "owner_won_180d": 1, "has_next_step": 1}
    assert {name: untouched[name] for name in figures} == figures


def test_features_and_outcomes_are_of_what_is_there(warehouse: Warehouse, tenants: tuple[str, str]) -> None:
    one, control = tenants
    assert ids(warehouse, "opportunity_features", one, "opportunity") == {KEPT, BACK}
    assert ids(warehouse, "opportunity_features", control, "opportunity") == {KEPT, BACK, GONE}
    assert ids(warehouse, "opportunity_outcomes", one, "opportunity") == {KEPT, BACK}
    assert ids(warehouse, "lead_features", one, "lead") == {"l-back"}, "nothing is left to decide of a lead of GONE"
    assert ids(warehouse, "lead_features", control, "lead") == {"l-back", "l-gone", "l-of-gone"}
    assert ids(warehouse, "lead_outcomes", one, "lead") == {"l-back", "l-of-gone"}
    assert ids(warehouse, "account_features", one, "account") == {FIRM}
    assert ids(warehouse, "account_features", control, "account") == {FIRM, CLOSED_FIRM}


def test_an_account_counts_the_members_that_are_there(warehouse: Warehouse, tenants: tuple[str, str]) -> None:
    columns = "contacts_total, open_opportunities, won_opportunities"
    query = f"select {columns} from marts.account_features where (customer_id, account_id) = (%s, %s)"
    assert list(warehouse.row(query, (tenants[0], FIRM)).values()) == [1, 1, 0]
    assert list(warehouse.row(query, (tenants[1], FIRM)).values()) == [2, 1, 1]


def test_a_deleted_account_says_nothing_of_its_deals(warehouse: Warehouse, tenants: tuple[str, str]) -> None:
    industries = [
        [(snapshot(warehouse, tenant, BACK, day) or {}).get("industry") for day in (0, 14)] for tenant in tenants
    ]
    assert industries == [["ships", None], ["ships", "ships"]]


def test_deleted_wins_are_no_norm(warehouse: Warehouse, tenants: tuple[str, str]) -> None:
    query = "select as_of_day::text as day from marts.stage_norms where customer_id = %s order by 1"
    assert [row["day"] for row in warehouse.rows(query, (tenants[0],))] == ["2026-03-01"]
    assert [row["day"] for row in warehouse.rows(query, (tenants[1],))] == ["2026-03-01", "2026-04-01"]


def test_next_actions_are_those_that_stand(warehouse: Warehouse, tenants: tuple[str, str]) -> None:
    query = (
        "select call_7d, meeting_7d from marts.opportunity_next_actions as actions "
        "join marts.opportunity_snapshots using (customer_id, opportunity_id, as_of) "
        "where (customer_id, opportunity_id, moment) = (%s, %s, 'opened+0d')"
    )
    assert list(warehouse.row(query, (tenants[0], KEPT)).values()) == [False, False]
    assert list(warehouse.row(query, (tenants[1], KEPT)).values()) == [True, True]
