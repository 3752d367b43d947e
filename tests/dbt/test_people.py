"""Who speaks for us in a deal, who came in, who left, and what became of companies: as it was known, run by run."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bevyly.ids import new_id
from tests.dbt.warehouse import Event, Warehouse

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
RUNS = (10.5, 12.5, 20.5, 40.5)


def history(tenant: str) -> list[Event]:
    """A deal of `acme`: `ann` answers most, `ceo` comes in late, `ann` leaves for `next`; `bob` is named the champion
    of deal `won` from day 15 on, and goes to `next` as well. What was merged into `ann` counts for her.
    """
    versions: dict[str, int] = {}

    def event(type_: str, subject: str, day: float, recorded: float | None = None, **data: Any) -> Event:
        versions[subject] = versions.get(subject, 0) + 1
        kind = type_.partition(".")[0]
        kind = kind if kind in ("account", "contact", "opportunity", "enrichment") else "activity"
        named = {} if kind == "enrichment" else {f"{kind}_id": subject}
        late = None if recorded is None else START + timedelta(days=recorded)
        at, identity = START + timedelta(days=day), f"{subject}-{versions[subject]}"
        return Event(tenant, identity, type_, subject, versions[subject], at, named | data, late)

    def reply(name: str, day: float, *people: str, deal: str = "deal", **more: Any) -> Event:
        participants = [{"contact_id": person} for person in people]
        return event("email.received", name, day, opportunity_id=deal, participants=participants, **more)

    def size(before: int, after: int) -> dict[str, Any]:
        return {"before": {"employee_count": before}, "after": {"employee_count": after}}

    def answer(name: str, day: float, count: int, provider: str = "apollo", status: str = "matched") -> Event:
        about = {"entity_type": "account", "entity_id": "next", "provider": provider, "status": status, "credits": 1}
        return event("enrichment.completed", name, day, fields={"employee_count": count}, **about)

    return [
        event("account.created", "acme", 0, name="Acme", employee_count=100),
        event("account.created", "next", 0, name="Next"),
        event("contact.created", "ann", 0, account_id="acme", title="Buyer"),
        event("contact.created", "anne", 0, account_id="acme"),
        event("contact.created", "ceo", 0, account_id="acme", seniority="C-Suite"),
        event("contact.created", "bob", 0, account_id="acme"),
        event("contact.created", "gone", 0, account_id="acme", title="Chief of everything"),
        event("opportunity.created", "deal", 1, account_id="acme", stage="proposal", name="Deal"),
        event("opportunity.created", "won", 1, account_id="acme", stage="proposal", name="Won"),
        reply("first", 2, "bob"),
        reply("second", 3, "ann"),
        reply("third", 4, "anne"),
        reply("ghost", 4.5, "gone"),
        event("email.sent", "ours", 5, opportunity_id="deal", participants=[{"contact_id": "ann"}]),
        event("contact.merged", "ann", 6, before={}, after={}, absorbed_ids=["anne"]),
        event("contact.deleted", "anne", 6, merged_into="ann"),
        event("contact.deleted", "gone", 6),
        reply("w1", 3, "bob", deal="won"),
        reply("w2", 4, "ann", deal="won"),
        reply("w3", 5, "ann", deal="won"),
        event("opportunity.stage_changed", "won", 8, to_stage="won", status="won"),
        reply("boss", 11, "ceo"),
        event("account.updated", "acme", 11.5, **size(100, 60)),
        event("account.updated", "acme", 11.6, **size(60, 66)),
        event("contact.updated", "bob", 15, before={}, after={"role": "Champion"}),
        event("contact.updated", "bob", 16, before={}, after={"account_id": "next"}),
        event("contact.updated", "ann", 17, recorded=19, before={}, after={"account_id": "next"}),
        answer("e1", 5, 10),
        answer("e2", 6, 90, provider="other"),
        answer("e3", 16, 13),
        answer("e4", 17, 99, status="not_found"),
    ]


@pytest.fixture(scope="module")
def tenant(warehouse: Warehouse) -> Iterator[str]:
    """The history, each run finding what was recorded since the one before."""
    tenant, since = new_id(), -99.0
    events = history(tenant)
    stored: dict[float, dict[str, list[dict[str, Any]]]] = {}
    for until in RUNS:
        now = START + timedelta(days=until)
        low = START + timedelta(days=since)
        warehouse.load(one for one in events if low < (one.recorded_at or one.occurred_at) <= now)
        warehouse.dbt("run", now=now.isoformat())
        stored[until] = {
            mart: warehouse.rows(f"select * from marts.{mart} where customer_id = %s order by 2", (tenant,))
            for mart in ("opportunity_features", "account_features")
        }
        since = until
    STORED[tenant] = stored
    yield tenant


STORED: dict[str, dict[float, dict[str, list[dict[str, Any]]]]] = {}


def deal(tenant: str, day: float) -> dict[str, Any]:
    return next(row for row in STORED[tenant][day]["opportunity_features"] if row["opportunity_id"] == "deal")


def account(tenant: str, day: float, account_id: str) -> dict[str, Any]:
    return next(row for row in STORED[tenant][day]["account_features"] if row["account_id"] == account_id)


def test_the_champion_is_who_comes_back_most_until_somebody_is_named(tenant: str) -> None:
    first = deal(tenant, 10.5)
    assert first["champion_contact_id"] == "ann", "with what was merged into her"
    assert (first["champion_outbound_since"], first["champion_outbound_event_id"]) == (1, "ours-1")
    assert (first["champion_inbound_event_id"], first["champion_left_days"]) == ("third-1", None)
    named = deal(tenant, 20.5)
    assert named["champion_contact_id"] == "bob"
    assert named["champion_left_event_id"] == "bob-3"
    assert named["champion_left_days"] == pytest.approx(4.0, abs=1)


def test_who_was_deleted_is_nobody(tenant: str) -> None:
    first = deal(tenant, 10.5)
    assert (first["executive_contact_id"], first["power_engaged"], first["people_told"]) == (None, 0, 1)
    assert (first["newcomer_contact_id"], first["newcomer_event_id"]) == ("ann", "second-1")


def test_an_executive_who_comes_in_is_seen_and_is_the_newcomer(tenant: str) -> None:
    second = deal(tenant, 12.5)
    assert (second["executive_contact_id"], second["executive_event_id"], second["power_engaged"]) == (
        "ceo",
        "boss-1",
        1,
    )
    assert (second["newcomer_contact_id"], second["newcomer_event_id"]) == ("ceo", "boss-1")
    assert second["newcomer_days"] == pytest.approx(1, abs=0.6)
    assert (second["contacts_engaged_14d"], second["contacts_engaged_before"]) == (3, 0)
    later = deal(tenant, 20.5)
    assert (later["contacts_engaged_14d"], later["contacts_engaged_before"]) == (1, 2)


def test_changes_of_companies_are_the_largest_of_late_by_one_source(tenant: str) -> None:
    second = deal(tenant, 12.5)
    assert (second["account_change_kind"], second["account_change"]) == ("headcount", -0.4)
    assert second["account_change_event_id"] == "acme-2"
    assert account(tenant, 12.5, "acme")["account_change_event_id"] == "acme-2"
    told = account(tenant, 20.5, "next")
    assert (told["account_change"], told["account_change_event_id"]) == (0.3, "e3-1")
    assert account(tenant, 10.5, "next")["account_change"] is None, "another provider knows another number"
    assert deal(tenant, 40.5)["account_change"] is not None
    assert account(tenant, 10.5, "acme")["account_change"] is None


def test_past_champions_are_known_where_they_went(tenant: str) -> None:
    assert account(tenant, 12.5, "next")["past_champion_contact_id"] is None
    there = account(tenant, 20.5, "next")
    assert (there["past_champion_contact_id"], there["past_champion_event_id"]) == ("bob", "bob-3")
    assert account(tenant, 20.5, "acme")["past_champion_contact_id"] is None


def test_the_runs_one_by_one_equal_a_full_one(warehouse: Warehouse, tenant: str) -> None:
    before = warehouse.contents()
    assert STORED[tenant]
    warehouse.dbt("run", "--full-refresh", now=(START + timedelta(days=RUNS[-1])).isoformat())
    assert warehouse.contents() == before
