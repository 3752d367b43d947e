"""Commands to agents: one run each, held where a person must allow it, refused where a tenant said no."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from bevyly.agents.content import content_hash
from bevyly.events.envelope import Event, new_event
from bevyly.ids import new_id
from pipelines.streams.agent_trigger import AgentTrigger
from tests.support.databases import Database
from tests.support.event_streams import CLOCK

RUNS = "select customer_id, agent_type, command_id, status, error from agent_runs order by agent_type"
ITEMS = "select customer_id, item_type, content, content_hash, status from approval_items"


@pytest.fixture
def tenants(database: Database) -> list[str]:
    return [database.add_tenant("ours"), database.add_tenant("theirs")]


def command(tenant: str, type_: str, **data: Any) -> Event:
    return new_event(type_, tenant_id=tenant, subject=("agent_command", new_id()), sequence=1, data=data, clock=CLOCK)


def trigger(database: Database, *events: Event) -> None:
    with psycopg.connect(database.pipeline_url) as connection:
        AgentTrigger(CLOCK)(connection, events)


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.owner_url) as connection:
        return connection.execute(query).fetchall()


def test_a_command_is_one_run_however_often_it_comes(database: Database, tenants: list[str]) -> None:
    enrich = command(tenants[0], "agent.enrich_account", account_id=new_id())
    trigger(database, enrich)
    trigger(database, enrich, enrich)
    assert rows(database, RUNS) == [(tenants[0], "enrichment", enrich.id, "queued", None)]
    assert rows(database, ITEMS) == []


def test_what_reaches_a_person_waits_for_an_approval_of_exactly_that(database: Database, tenants: list[str]) -> None:
    draft = command(tenants[0], "agent.draft_email", contact_id=new_id(), purpose="Ask for the next step")
    trigger(database, draft)
    trigger(database, draft)
    content = {"command": "agent.draft_email", **draft.data}
    assert [row[3] for row in rows(database, RUNS)] == ["waiting"]
    [(customer, kind, stored, digest, status)] = rows(database, ITEMS)
    assert (customer, kind, stored, status) == (tenants[0], "email", content, "pending")
    assert digest == content_hash(stored)


def test_an_agent_that_is_switched_off_refuses_for_that_tenant_only(database: Database, tenants: list[str]) -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            "insert into agent_configs (customer_id, id, agent_type, enabled) values (%s, %s, 'voice', false)",
            (tenants[0], new_id()),
        )
    ours, theirs = (command(tenant, "agent.make_call", lead_id=new_id()) for tenant in tenants)
    trigger(database, ours, theirs)
    found = {row[2]: row[3:] for row in rows(database, RUNS)}
    assert found == {ours.id: ("refused", "the voice agent is switched off"), theirs.id: ("waiting", None)}
    assert [row[0] for row in rows(database, ITEMS)] == [tenants[1]]


def cap(database: Database, tenant: str, minor: int, *, cost: int, agent: str = "enrichment") -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            "insert into agent_configs (customer_id, id, agent_type, cost_cap_minor, run_cost_minor, currency) "
            "values (%s, %s, %s, %s, %s, 'EUR')",
            (tenant, new_id(), agent, minor, cost),
        )


def outcomes(database: Database) -> list[tuple[Any, ...]]:
    return rows(database, "select status, reason, cost_minor, currency from agent_runs order by started_at, id")


def enrich(tenant: str, number: int) -> list[Event]:
    return [command(tenant, "agent.enrich_account", account_id=new_id()) for _ in range(number)]


RUNS_FOR = ("queued", None, 40, "EUR")
TOO_MUCH = ("refused", "cost_cap_reached", None, None)


def test_what_would_exceed_the_cap_is_refused_and_each_run_counts_once(database: Database, tenants: list[str]) -> None:
    cap(database, tenants[0], 100, cost=40)
    first, second, third = enrich(tenants[0], 3)
    trigger(database, first, first)
    trigger(database, first)
    trigger(database, second, third, first, *enrich(tenants[1], 1))
    found = outcomes(database)
    assert sorted(found, key=str) == sorted([RUNS_FOR, RUNS_FOR, TOO_MUCH, ("queued", None, None, None)], key=str)
    refused = "select error, completed_at = started_at from agent_runs where status = 'refused'"
    assert rows(database, refused) == [
        ("one more run of the enrichment agent would cost more than its cap of the month", True)
    ]


def test_the_cap_is_of_a_calendar_month_of_the_tenant(database: Database, tenants: list[str]) -> None:
    cap(database, tenants[0], 40, cost=40)
    trigger(database, *enrich(tenants[0], 1))
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("update customers set timezone = 'Pacific/Auckland'")
        start = "date_trunc('month', %s::timestamptz, 'Pacific/Auckland')"
        connection.execute(f"update agent_runs set started_at = {start}", (CLOCK.now(),))
    trigger(database, *enrich(tenants[0], 1))
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("update agent_runs set started_at = started_at - interval '1 second' where cost_minor > 0")
    trigger(database, *enrich(tenants[0], 1))
    assert sorted(outcomes(database), key=str) == sorted([RUNS_FOR, TOO_MUCH, RUNS_FOR], key=str)


@pytest.mark.parametrize("status", ["rejected", "expired", "pending", "approved"])
def test_what_nobody_allowed_costs_nothing(database: Database, tenants: list[str], status: str) -> None:
    cap(database, tenants[0], 40, cost=40, agent="email")
    draft = [command(tenants[0], "agent.draft_email", contact_id=new_id()) for _ in range(2)]
    trigger(database, draft[0])
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("update approval_items set status = %s", (status,))
    trigger(database, draft[1])
    counts = status in ("pending", "approved")
    assert [row[0] for row in rows(database, "select status from agent_runs order by command_id")] == [
        "waiting",
        "refused" if counts else "waiting",
    ]


def test_of_two_who_count_at_once_one_waits_for_the_other(database: Database, tenants: list[str]) -> None:
    cap(database, tenants[0], 40, cost=40)
    first, second = enrich(tenants[0], 2)
    with psycopg.connect(database.pipeline_url) as one, ThreadPoolExecutor(1) as pool:
        AgentTrigger(CLOCK)(one, [first])
        other = pool.submit(trigger, database, second)
        waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        while not other.done() and rows(database, waiting) == [(0,)]:
            pass
        one.commit()
        other.result()
    assert [row[0] for row in rows(database, "select status from agent_runs order by command_id")] == [
        "queued",
        "refused",
    ]
