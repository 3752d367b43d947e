"""What rows are compared with: won accounts, stage times, shares won, and the account behind them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bevyly.ids import new_id
from tests.dbt.warehouse import Event, Warehouse

FEBRUARY, MARCH = datetime(2026, 2, 2, 9, tzinfo=UTC), datetime(2026, 3, 10, 9, tzinfo=UTC)
NOW = MARCH + timedelta(days=9)
WON = 5


def history(tenant: str) -> list[Event]:
    """Five deals won in February by ann, all of tool makers in Germany, and one lost; in March a deal and a lead of an
    account alike and of one that is not, and a win that comes too late to be a norm.
    """
    numbers = iter(range(1, 1000))

    def event(event_type: str, subject: str, at: datetime, data: dict[str, Any]) -> Event:
        number = next(numbers)
        kind = event_type.partition(".")[0]
        kind = kind if kind in ("account", "contact", "lead", "opportunity") else "activity"
        return Event(tenant, f"e{number}", event_type, subject, number, at, {f"{kind}_id": subject} | data)

    def account(name: str, at: datetime, industry: str, country: str | None) -> Event:
        return event("account.created", name, at, {"industry": industry, "country": country, "employee_count": 99})

    def deal(name: str, at: datetime, owner: str = "ann") -> Event:
        fields = {"account_id": f"of-{name}", "stage": "proposal", "owner_id": owner, "value_minor": 100}
        return event("opportunity.created", name, at, fields)

    def decided(name: str, at: datetime, how: str) -> Event:
        return event("opportunity.stage_changed", name, at, {"from_stage": "proposal", "to_stage": how, "status": how})

    events = []
    for number in range(WON):
        name = f"won{number}"
        events += [account(f"of-{name}", FEBRUARY, "tools", "DE"), deal(name, FEBRUARY)]
        events += [decided(name, FEBRUARY + timedelta(days=2 + number), "won")]
    events += [deal("lost", FEBRUARY), decided("lost", FEBRUARY + timedelta(days=3), "lost")]
    events += [account("of-alike", MARCH, "tools", "DE"), account("of-other", MARCH, "food", None)]
    events += [deal("alike", MARCH), deal("other", MARCH, "bo")]
    events += [event("lead.created", "lead", MARCH, {"account_id": "of-alike", "status": "new", "owner_id": "ann"})]
    events += [event("contact.created", "kim", MARCH, {"account_id": "of-alike"})]
    events += [event("email.received", "mail", MARCH + timedelta(days=1), {"contact_id": "kim"})]
    events += [event("email.sent", "answer", MARCH + timedelta(days=2), {"lead_id": "lead"})]
    events += [account("of-late", MARCH, "food", "FR"), deal("late", MARCH)]
    events += [decided("late", MARCH + timedelta(days=1), "won")]
    return events


@pytest.fixture(scope="module")
def tenant(warehouse: Warehouse) -> str:
    customer_id = new_id()
    warehouse.load(history(customer_id))
    warehouse.dbt("run", now=NOW.isoformat())
    return customer_id


def features(warehouse: Warehouse, tenant: str, entity: str, name: str) -> dict[str, Any]:
    query = f"select * from marts.{entity}_features where (customer_id, {entity}_id) = (%s, %s)"
    return warehouse.row(query, (tenant, name))


def test_the_distance_from_won_accounts(warehouse: Warehouse, tenant: str) -> None:
    alike, other = (features(warehouse, tenant, "opportunity", name) for name in ("alike", "other"))
    assert (alike["icp_distance"], alike["missing_fields"]) == (0, 1)
    # another industry is as far as can be, as many employees not at all; of the country nothing is known
    assert (other["icp_distance"], other["missing_fields"]) == (0.5, 2)
    assert features(warehouse, tenant, "account", "of-other")["icp_distance"] == 0.5
    assert features(warehouse, tenant, "lead", "lead")["icp_distance"] == 0


def test_before_five_are_won_there_is_no_ideal(warehouse: Warehouse, tenant: str) -> None:
    query = """
    select distinct icp_distance, stage_time_ratio from marts.opportunity_snapshots where opportunity_id like %s
    """
    assert [tuple(row.values()) for row in warehouse.rows(query, ("won%",))] == [(None, None)]


def test_time_in_a_stage_against_deals_that_were_won(warehouse: Warehouse, tenant: str) -> None:
    # the five took 2 to 6 days; the one won in March counts from April on
    row = features(warehouse, tenant, "opportunity", "alike")
    assert row["days_in_stage"] == pytest.approx((row["as_of"] - MARCH) / timedelta(days=1))
    assert row["stage_time_ratio"] == pytest.approx(row["days_in_stage"] / 4)


def test_the_owners_share_is_drawn_towards_the_tenants(warehouse: Warehouse, tenant: str) -> None:
    tenants_share = (5 + 1) / (6 + 2)
    ann, bo = (features(warehouse, tenant, "opportunity", name) for name in ("alike", "other"))
    assert (ann["owner_won_180d"], ann["owner_decided_180d"]) == (6, 7)
    assert ann["owner_win_rate_180d"] == pytest.approx((6 + 10 * tenants_share) / (7 + 10))
    assert bo["owner_win_rate_180d"] == pytest.approx(tenants_share)


def test_a_contacts_touch_is_the_accounts_and_reaches_its_records(warehouse: Warehouse, tenant: str) -> None:
    lead, other = features(warehouse, tenant, "lead", "lead"), features(warehouse, tenant, "opportunity", "other")
    age = (NOW.replace(hour=0) - (MARCH + timedelta(days=1))) / timedelta(days=1)
    assert lead["account_engagement_decayed"] == pytest.approx(3 * 0.5 ** (age / 14), abs=1e-6)
    assert (lead["account_contacts_engaged_30d"], other["account_contacts_engaged_30d"]) == (1, 0)


def test_what_is_only_sent_is_no_engagement(warehouse: Warehouse, tenant: str) -> None:
    lead = features(warehouse, tenant, "lead", "lead")
    assert (lead["outbound_total"], lead["engagement_decayed"], lead["engagement_surge"]) == (1, 0, 1)
