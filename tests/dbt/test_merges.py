"""What was recorded of a record that was merged counts for the one that stays, while the merge is known and stands."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bevyly.ids import new_id
from tests.dbt.warehouse import Event, Warehouse

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
MERGED, UNMERGED = 3.0, 12.0


def history(tenant: str, *, unmerged: bool) -> list[Event]:
    """Two leads, contacts and accounts; one of each pair is merged into the other, and perhaps comes back."""
    versions: dict[str, int] = {}

    def event(event_type: str, subject: str, days: float, recorded: float | None = None, **data: Any) -> Event:
        versions[subject] = versions.get(subject, 0) + 1
        kind = event_type.partition(".")[0]
        kind = kind if kind in ("account", "contact", "lead") else "activity"
        late = None if recorded is None else START + timedelta(days=recorded)
        at = START + timedelta(days=days)
        identity = f"{subject}-{versions[subject]}"
        return Event(tenant, identity, event_type, subject, versions[subject], at, {f"{kind}_id": subject} | data, late)

    def told(kind: str, stays: str, goes: str, *, back: bool) -> list[Event]:
        day, more = (UNMERGED, "released_ids") if back else (MERGED, "absorbed_ids")
        first = f"{kind}.unmerged" if back else f"{kind}.merged"
        second = (
            event(f"{kind}.restored", goes, day) if back else event(f"{kind}.deleted", goes, day, merged_into=stays)
        )
        return [event(first, stays, day, before={}, after={}, **{more: [goes]}), second]

    pairs = [("lead", "l1", "l2"), ("contact", "c1", "c2"), ("account", "a1", "a2")]
    return [
        event("account.created", "a1", -9, name="Acme"),
        event("account.created", "a2", -9, name="ACME"),
        event("contact.created", "c1", -8, account_id="a1"),
        event("contact.created", "c2", -8, account_id="a1"),
        event("lead.created", "l1", 0, status="new"),
        event("lead.created", "l2", 0, status="new"),
        event("email.received", "own", 1, lead_id="l1"),
        event("email.received", "theirs", 1, lead_id="l2", account_id="a2", contact_id="c2"),
        event("email.received", "late", 2, recorded=5, lead_id="l2"),
        *(one for kind, stays, goes in pairs for one in told(kind, stays, goes, back=False)),
        *(one for kind, stays, goes in pairs if unmerged for one in told(kind, stays, goes, back=True)),
    ]


@pytest.fixture(scope="module")
def tenants(warehouse: Warehouse) -> tuple[str, str]:
    """One whose merges stand, one whose merges are taken back; run by run, as the merges become known."""
    stands, undone = new_id(), new_id()
    events = [*history(stands, unmerged=False), *history(undone, unmerged=True)]
    since = -99.0
    for until in (2.5, 6.0, 30.0):
        day = START + timedelta(days=until)
        known = [one for one in events if START + timedelta(days=since) < (one.recorded_at or one.occurred_at) <= day]
        warehouse.load(known)
        warehouse.dbt("run", now=day.isoformat())
        since = until
    return stands, undone


def inbound(warehouse: Warehouse, tenant: str, lead: str) -> dict[str, int]:
    query = "select moment, inbound_total from marts.lead_snapshots where (customer_id, lead_id) = (%s, %s)"
    return {row["moment"]: int(row["inbound_total"]) for row in warehouse.rows(query, (tenant, lead))}


def of_account(warehouse: Warehouse, tenant: str) -> dict[str, tuple[int, bool]]:
    """Members, and whether anything happened with the account."""
    query = (
        "select account_id, contacts_total, last_activity_event_id from marts.account_features where customer_id = %s"
    )
    rows = warehouse.rows(query, (tenant,))
    return {row["account_id"]: (int(row["contacts_total"]), row["last_activity_event_id"] is not None) for row in rows}


def test_a_lead_has_the_activities_of_who_was_merged_into_it_while_that_is_known(
    warehouse: Warehouse, tenants: tuple[str, str]
) -> None:
    stands, undone = (inbound(warehouse, tenant, "l1") for tenant in tenants)
    early = {name: count for name, count in stands.items() if name in ("created+0d", "created+1d", "created+2d")}
    assert set(early.values()) <= {0, 1}, "nothing is known before it was recorded"
    assert stands["created+7d"] == undone["created+7d"] == 3
    assert (stands["created+14d"], undone["created+14d"]) == (3, 1)
    assert inbound(warehouse, tenants[0], "l2").keys() <= early.keys() | {"created+3d"}
    assert inbound(warehouse, tenants[1], "l2")["created+14d"] == 2


def test_features_are_of_who_stands(warehouse: Warehouse, tenants: tuple[str, str]) -> None:
    query = "select lead_id, inbound_total from marts.lead_features where customer_id = %s order by 1"
    found = [[(row["lead_id"], row["inbound_total"]) for row in warehouse.rows(query, (one,))] for one in tenants]
    assert found == [[("l1", 3)], [("l1", 1), ("l2", 2)]]
    assert of_account(warehouse, tenants[0]) == {"a1": (1, True)}
    assert of_account(warehouse, tenants[1]) == {"a1": (2, True), "a2": (0, True)}


def test_the_runs_one_by_one_equal_a_full_one(warehouse: Warehouse, tenants: tuple[str, str]) -> None:
    before = warehouse.contents()
    assert len(tenants) == 2
    warehouse.dbt("run", "--full-refresh", now=(START + timedelta(days=30)).isoformat())
    assert warehouse.contents() == before
