"""Enrichment on a real database: two tenants, the pipeline's role, the simulator behind the real client."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import Engine

from bevyly.clock import FixedClock
from bevyly.db.engine import make_engine
from bevyly.events import contracts
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.integrations.apollo import inventions
from bevyly.integrations.apollo.connect import simulated_apollo
from bevyly.integrations.apollo.simulator import ApolloSimulator, Fault
from pipelines.enrichment.enrich import EnrichmentCounts, enrich_accounts
from pipelines.repositories.enrichments import sole_enrichment_run
from tests.support.databases import Database

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
_NAMES = [f"company-{n}.example" for n in range(200)]
KNOWN = [domain for domain in _NAMES if inventions.organization(domain)]
UNKNOWN = [domain for domain in _NAMES if inventions.organization(domain) is None]


@dataclass
class World:
    """A database with two tenants, and what the tests do to it."""

    database: Database
    engine: Engine
    one: str
    two: str
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    simulator: ApolloSimulator = field(default_factory=ApolloSimulator)

    def account(self, tenant: str, domain: str | None, **columns: Any) -> str:
        """A new account; returns its id."""
        return self.insert("accounts", customer_id=tenant, name=domain or "No domain", domain=domain, **columns)

    def opportunity(self, tenant: str, account_id: str, value: int, **columns: Any) -> None:
        """A deal of `account_id`."""
        deal = {"name": "Deal", "stage": "proposal", "currency": "EUR", "stage_entered_at": NOW} | columns
        self.insert("opportunities", customer_id=tenant, account_id=account_id, value=value, **deal)

    def activity(self, tenant: str, account_id: str, at: datetime) -> None:
        """A call with `account_id`."""
        call = {"kind": "call", "direction": "outbound", "occurred_at": at}
        self.insert("activities", customer_id=tenant, account_id=account_id, **call)

    def insert(self, table: str, **columns: Any) -> str:
        columns["id"] = new_id()
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        self.query(f"insert into {table} ({names}) values ({marks}) returning id", *columns.values())
        return str(columns["id"])

    def query(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.database.owner_url, row_factory=dict_row) as connection:
            return connection.execute(statement, parameters).fetchall()

    def run(self, *, daily_credits: int = 100, **options: Any) -> EnrichmentCounts:
        """One run over the world's simulator."""
        apollo = simulated_apollo(self.simulator, clock=self.clock)
        return enrich_accounts(self.engine, apollo=apollo, clock=self.clock, daily_credits=daily_credits, **options)

    def rows(self, tenant: str) -> list[dict[str, Any]]:
        """The tenant's enrichments in the order of their making."""
        return self.query("select * from enrichments where customer_id = %s order by fetched_at, id", tenant)

    def domains(self, tenant: str) -> list[str]:
        """What was asked for the tenant, in order."""
        return [row["fields"]["queried_domain"]["value"] for row in self.rows(tenant)]

    def events(self) -> list[Event]:
        """The events in the outbox, each valid by its contract."""
        events = [
            Event.from_json(row["envelope"]) for row in self.query("select envelope from outbox order by position")
        ]
        for event in events:
            contracts.validate(event)
        return events


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    engine = make_engine(database.pipeline_url, pool_size=3)
    yield World(database, engine, database.add_tenant("One"), database.add_tenant("Two"))
    engine.dispose()


def test_accounts_of_both_tenants_are_enriched_each_under_its_own_tenant(world: World) -> None:
    shared = KNOWN[0]
    accounts = {
        world.account(world.one, shared): ("matched", world.one),
        world.account(world.two, shared): ("matched", world.two),
        world.account(world.one, UNKNOWN[0]): ("not_found", world.one),
    }
    counts = world.run()
    assert counts == EnrichmentCounts(tenants=2, calls=2, asked=3, matched=2, not_found=1, credits=2)
    stored = {
        row["entity_id"]: (row["status"], row["customer_id"]) for row in world.rows(world.one) + world.rows(world.two)
    }
    assert stored == accounts
    assert sum(row["credits"] for row in world.rows(world.one)) == 1


def test_each_row_is_announced_by_a_valid_event_in_the_same_transaction(world: World) -> None:
    world.account(world.one, KNOWN[0])
    world.account(world.two, UNKNOWN[0])
    world.run()
    rows = {row["id"]: row for row in world.rows(world.one) + world.rows(world.two)}
    events = world.events()
    assert {event.subject_id for event in events} == set(rows)
    for event in events:
        row = rows[event.subject_id]
        assert (event.type, event.tenant_id, event.sequence) == ("enrichment.completed", row["customer_id"], 1)
        assert event.data["provider"] == "apollo-simulator"
        assert (event.data["entity_id"], event.data["status"]) == (row["entity_id"], row["status"])
    assert {row["topic"] for row in world.query("select topic from outbox")} == {"bevyly.integration"}
    together = world.query("""
        select e.xmin = o.xmin as same from enrichments e
        join outbox o on o.envelope::jsonb ->> 'subject' = 'enrichment/' || e.id
    """)
    assert [row["same"] for row in together] == [True, True]


def test_what_people_entered_is_never_touched(world: World) -> None:
    world.account(world.one, KNOWN[0], industry="What a person typed", employee_count=7)
    before = world.query("select * from accounts")
    world.run()
    assert world.query("select * from accounts") == before


def test_a_second_run_asks_for_nothing(world: World) -> None:
    for domain in KNOWN[:12] + UNKNOWN[:3]:
        world.account(world.one, domain)
    world.run()
    calls, events = world.simulator.calls, len(world.events())
    assert world.run() == EnrichmentCounts()
    assert (world.simulator.calls, len(world.events())) == (calls, events)


def test_answers_stand_for_their_lifetimes(world: World) -> None:
    world.account(world.one, KNOWN[0])
    world.account(world.one, UNKNOWN[0])
    world.run()
    for days, asked in ((29, []), (30, [UNKNOWN[0]]), (59, []), (90, [KNOWN[0], UNKNOWN[0]])):
        world.clock.instant = NOW + timedelta(days=days)
        before = len(world.domains(world.one))
        world.run()
        assert sorted(world.domains(world.one)[before:]) == sorted(asked), days


def test_the_most_valuable_are_asked_first(world: World) -> None:
    quiet, recent, planned, small, lost, big = (world.account(world.one, domain) for domain in KNOWN[:6])
    world.activity(world.one, recent, NOW - timedelta(days=1))
    world.activity(world.one, quiet, NOW - timedelta(days=90))
    world.activity(world.one, planned, NOW + timedelta(days=3))
    world.opportunity(world.one, small, 10_00)
    world.opportunity(world.one, big, 9_000_00)
    world.opportunity(world.one, lost, 99_000_00, status="lost", closed_at=NOW)
    expected = [KNOWN[5], KNOWN[3], KNOWN[1], KNOWN[0]]
    for credits_ in range(1, 5):
        world.run(daily_credits=credits_)
    assert world.domains(world.one) == expected


def test_each_tenant_keeps_within_its_credits_of_the_day(world: World) -> None:
    for domain in KNOWN[:25]:
        world.account(world.one, domain)
        world.account(world.two, domain)
    counts = world.run(daily_credits=12)
    assert (counts.credits, counts.asked, world.simulator.credits) == (24, 24, 24)
    world.clock.instant = NOW.replace(hour=23, minute=59)
    assert world.run(daily_credits=12).asked == 0
    world.clock.instant = NOW + timedelta(days=1)
    assert world.run(daily_credits=12).asked == 24
    assert len(world.rows(world.one)) == len(world.rows(world.two)) == 24


def test_misses_cost_nothing_and_leave_the_budget_to_others(world: World) -> None:
    for domain in UNKNOWN[:15]:
        world.opportunity(world.one, world.account(world.one, domain), 1_000_00)
    for domain in KNOWN[:9]:
        world.account(world.one, domain)
    counts = world.run(daily_credits=5)
    assert (counts.not_found, counts.matched, counts.credits) == (15, 5, 5)


def test_a_budget_of_nothing_asks_nothing(world: World) -> None:
    world.account(world.one, KNOWN[0])
    assert world.run(daily_credits=0).asked == 0
    assert world.simulator.calls == 0


def test_accounts_of_one_domain_are_asked_about_and_paid_once(world: World) -> None:
    twins = {world.account(world.one, written) for written in (KNOWN[0], f"https://www.{KNOWN[0].upper()}/about")}
    counts = world.run()
    assert (counts.calls, counts.asked, counts.credits, world.simulator.credits) == (1, 2, 1, 1)
    assert {row["entity_id"] for row in world.rows(world.one)} == twins


@pytest.mark.parametrize("domain", [None, "", "not a domain", "localhost", "gmail.com", "www.gmail.com"])
def test_what_is_no_company_domain_is_not_asked_about(world: World, domain: str | None) -> None:
    world.account(world.one, domain)
    assert world.run() == EnrichmentCounts()


def test_deleted_accounts_are_not_asked_about(world: World) -> None:
    world.account(world.one, KNOWN[0], deleted_at=NOW)
    assert world.run() == EnrichmentCounts()


def test_a_changed_domain_is_another_question(world: World) -> None:
    account = world.account(world.one, KNOWN[0])
    world.run()
    world.query("update accounts set domain = %s where id = %s returning id", KNOWN[1], account)
    world.clock.instant += timedelta(minutes=1)
    world.run()
    assert world.domains(world.one) == KNOWN[:2]
    assert world.run().asked == 0


def test_a_failing_batch_is_recorded_and_does_not_stop_the_rest(world: World) -> None:
    for domain in KNOWN[:30]:
        world.account(world.one, domain)
    world.simulator = ApolloSimulator(faults=[None, *[Fault.SERVER_ERROR] * 4, None])
    counts = world.run()
    assert (counts.matched, counts.failed, counts.credits, counts.halted) == (20, 10, 20, None)
    lost = [row for row in world.rows(world.one) if row["status"] == "failed"]
    assert {row["error"] for row in lost} == {"apollo_server_error: Apollo failed (500)"}
    assert {row["expires_at"] - row["fetched_at"] for row in lost} == {timedelta(hours=1)}
    assert {event.data["status"] for event in world.events()} == {"matched", "failed"}
    world.clock.instant += timedelta(hours=1)
    assert world.run().matched == 10


def test_lost_answers_count_against_the_credits_so_that_the_cap_holds(world: World) -> None:
    for domain in KNOWN[:30]:
        world.account(world.one, domain)
    world.simulator = ApolloSimulator(faults=[Fault.TIMEOUT])
    counts = world.run(daily_credits=20)
    assert (counts.failed, counts.matched, counts.credits) == (10, 10, 20)
    assert world.simulator.credits <= 20


def test_an_open_circuit_defers_the_rest_unasked(world: World) -> None:
    for domain in KNOWN[:50]:
        world.account(world.one, domain)
    world.account(world.two, KNOWN[0])
    world.simulator = ApolloSimulator(faults=[Fault.NO_CONNECTION] * 12)
    counts = world.run()
    assert (counts.failed, counts.deferred, counts.halted, counts.credits) == (30, 20, "circuit_open", 0)
    assert (world.simulator.calls, len(world.rows(world.one)), world.rows(world.two)) == (12, 30, [])
    assert world.run().matched == 21


def test_a_rate_limit_storm_halts_the_run(world: World) -> None:
    for domain in KNOWN[:20]:
        world.account(world.one, domain)
    world.simulator = ApolloSimulator(faults=[Fault.RATE_LIMITED] * 99, retry_after="3600")
    counts = world.run()
    assert (counts.failed, counts.deferred, counts.halted) == (10, 10, "apollo_rate_limited")
    assert (world.simulator.calls, world.simulator.waits) == (1, [])


def test_the_last_allowed_call_ends_the_run(world: World) -> None:
    for domain in KNOWN[:20]:
        world.account(world.one, domain)
    world.simulator = ApolloSimulator(calls_per_day=1)
    counts = world.run()
    assert (counts.matched, counts.deferred, counts.halted) == (10, 10, "rate_limit")


def test_invented_answers_neither_stand_for_real_ones_nor_use_up_their_credits(world: World) -> None:
    world.account(world.one, KNOWN[0])
    world.run(daily_credits=1)
    real = simulated_apollo(world.simulator, clock=world.clock)
    real.provider = "apollo"
    counts = enrich_accounts(world.engine, apollo=real, clock=world.clock, daily_credits=1)
    assert (counts.matched, counts.credits) == (1, 1)
    assert sorted(row["provider"] for row in world.rows(world.one)) == ["apollo", "apollo-simulator"]
    assert {row["fields"]["industry"]["provider"] for row in world.rows(world.one)} == {"apollo", "apollo-simulator"}


def test_only_the_named_tenants(world: World) -> None:
    world.account(world.one, KNOWN[0])
    world.account(world.two, KNOWN[0])
    world.run(customer_ids=[world.two])
    assert (len(world.rows(world.one)), len(world.rows(world.two))) == (0, 1)


def test_a_tenant_with_a_run_at_work_is_left_out(world: World) -> None:
    world.account(world.one, KNOWN[0])
    world.account(world.two, KNOWN[0])
    with sole_enrichment_run(world.engine, world.one) as sole:
        assert sole
        counts = world.run()
    assert (counts.busy_tenants, counts.tenants) == (1, 1)
    assert world.rows(world.one) == []
    assert world.run().matched == 1


def test_no_transaction_is_open_while_the_provider_is_asked(world: World) -> None:
    world.account(world.one, KNOWN[0])
    apollo = simulated_apollo(world.simulator, clock=world.clock)
    open_transactions: list[int] = []

    class Watched:
        provider = apollo.provider

        def enrich_organizations(self, domains: Any) -> Any:
            found = world.query("""
                select count(*) as n from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
            """)
            open_transactions.append(found[0]["n"])
            return apollo.enrich_organizations(domains)

    enrich_accounts(world.engine, apollo=Watched(), clock=world.clock, daily_credits=5)
    assert open_transactions == [0]


def test_the_app_sees_only_its_own_tenants_enrichments(world: World) -> None:
    world.account(world.one, KNOWN[0])
    world.account(world.two, KNOWN[0])
    world.run()
    with psycopg.connect(world.database.app_url) as connection:
        connection.execute("select set_config('bevyly.customer_id', %s, true)", (world.two,))
        seen = connection.execute("select distinct customer_id from enrichments").fetchall()
    assert seen == [(world.two,)]
