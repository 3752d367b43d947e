"""Commands to agents: one run each, held where a person must allow it, refused where a tenant said no."""

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
