"""Policies of tenants: what a person must allow, by action, audience and amount; the strictest that fits holds."""

from typing import Any

import psycopg
import pytest

from bevyly.agents.content import content_hash
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from tests.integration.streams.test_agent_trigger import command, rows, trigger
from tests.support.databases import Database
from tests.support.event_streams import CLOCK

EUR = {"currency": "EUR"}


class World:
    """Two tenants; the first has companies with deals, people and leads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tenant, self.other = database.add_tenant("ours"), database.add_tenant("theirs")
        self.users = {name: self.add(name, "users", email="u@x.example", role="owner") for name in self.tenants}

    @property
    def tenants(self) -> tuple[str, str]:
        return self.tenant, self.other

    def add(self, tenant: str, table: str, **values: Any) -> str:
        row = {"customer_id": tenant, "id": new_id()} | values
        holes = ", ".join(["%s"] * len(row))
        with psycopg.connect(self.database.owner_url) as connection:
            connection.execute(f"insert into {table} ({', '.join(row)}) values ({holes})", list(row.values()))
        return str(row["id"])

    def policy(self, requires: str, *, tenant: str | None = None, **values: Any) -> str:
        tenant = tenant or self.tenant
        return self.add(tenant, "approval_policies", requires=requires, created_by=self.users[tenant], **values)

    def account(self, **deal: Any) -> str:
        """A company, with a deal where `deal` says one."""
        account = self.add(self.tenant, "accounts", name="Acme")
        if deal:
            at = {"stage_entered_at": CLOCK.now(), "name": "d", "stage": "x", "account_id": account}
            if deal.get("status", "open") != "open":
                at["closed_at"] = CLOCK.now()
            self.add(self.tenant, "opportunities", **(at | deal))
        return account

    def ask(self, type_: str = "agent.draft_email", **data: Any) -> tuple[Any, ...] | None:
        """What is required of a command, by which policy, and what became of it; None where nobody is asked."""
        event = command(self.tenant, type_, **data)
        trigger(self.database, event)
        query = "select i.requires, i.policy_id, i.status, r.status from agent_runs r left join approval_items i "
        query += f"on i.agent_run_id = r.id where r.command_id = '{event.id}'"
        ((requires, policy, status, run),) = rows(self.database, query)
        return None if requires is None else (requires, policy, status, run)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_without_policies_emails_and_calls_wait_and_the_rest_does_not(world: World) -> None:
    world.policy("nothing", tenant=world.other)
    account = world.account()
    for type_ in ("agent.draft_email", "agent.make_call"):
        assert world.ask(type_, account_id=account) == ("approval", None, "pending", "waiting")
    assert world.ask("agent.enrich_account", account_id=account) is None
    assert world.ask("agent.source_leads") is None


def test_a_policy_is_of_one_action_or_of_all(world: World) -> None:
    calls = world.policy("manager", action="make_call")
    account = world.account()
    assert world.ask("agent.make_call", account_id=account) == ("manager", calls, "pending", "waiting")
    assert world.ask("agent.draft_email", account_id=account) == ("approval", None, "pending", "waiting")
    everything = world.policy("approval")
    assert world.ask("agent.enrich_account", account_id=account) == ("approval", everything, "pending", "waiting")
    assert world.ask("agent.source_leads", limit=5) == ("approval", everything, "pending", "waiting")


def test_the_strictest_holds_and_of_equals_the_oldest(world: World) -> None:
    account = world.account()
    first = world.policy("approval", created_at=CLOCK.now())
    assert world.ask(account_id=account) == ("approval", first, "pending", "waiting")
    world.policy("nothing")
    world.policy("approval", action="draft_email", audience="prospect")
    assert world.ask(account_id=account) == ("approval", first, "pending", "waiting")
    strict = world.policy("manager", action="draft_email")
    assert world.ask(account_id=account) == ("manager", strict, "pending", "waiting")
    end(world, strict)
    assert world.ask(account_id=account) == ("approval", first, "pending", "waiting")


def end(world: World, policy: str) -> None:
    with psycopg.connect(world.database.owner_url) as connection:
        connection.execute("update approval_policies set ended_at = now() where id = %s", (policy,))


@pytest.mark.parametrize(
    ("value", "lenient", "strict"),
    [
        (99_999, True, False),
        (100_000, False, True),
        (500_000, False, True),
        ("unknown", False, True),
        ("dollars", False, True),
    ],
)
def test_an_amount_parts_what_passes_from_what_waits(world: World, value: Any, lenient: bool, strict: bool) -> None:
    """At stake is the greatest open deal of the company. What nobody can compare never passes."""
    deals: dict[Any, dict[str, Any]] = {"unknown": {"name": "d"}, "dollars": {"value": 5, "currency": "USD"}}
    account = world.account(**deals.get(value, {"value": value, **EUR}))
    below = world.policy("nothing", action="draft_email", amount_minor=100_000, **EUR)
    found = world.ask(account_id=account)
    assert found == (("nothing", below, "approved", "queued") if lenient else ("approval", None, "pending", "waiting"))
    above = world.policy("manager", action="draft_email", amount_minor=100_000, **EUR)
    found = world.ask(account_id=account)
    assert found is not None
    assert (found[1] == above) is strict


def test_what_is_at_stake_is_found_by_every_record_that_is_named(world: World) -> None:
    account = world.account(value=500, **EUR)
    contact = world.add(world.tenant, "contacts", account_id=account)
    small = world.account(value=1, **EUR)
    lead = world.add(world.tenant, "leads", status="new", value=500, currency="EUR")
    policy = world.policy("manager", amount_minor=500, **EUR)
    waits = ("manager", policy, "pending", "waiting")
    for about in ({"account_id": account}, {"contact_id": contact}, {"lead_id": lead}):
        assert world.ask(**about) == waits, about
        assert world.ask(**({"account_id": small} | about)) == waits, "naming something small besides opens nothing"
    assert world.ask(account_id=small) == ("approval", None, "pending", "waiting")
    closed = world.account(value=500, status="lost", **EUR)
    assert world.ask(account_id=closed) == ("approval", None, "pending", "waiting"), "nothing is at stake any more"


def test_an_audience_is_a_lead_a_prospect_or_a_customer(world: World) -> None:
    customer = world.account(value=1, status="won", **EUR)
    contact = world.add(world.tenant, "contacts", account_id=customer)
    prospect = world.account(value=1, **EUR)
    lead = world.add(world.tenant, "leads", status="new")
    policies = {name: world.policy("manager", audience=name) for name in ("lead", "prospect", "customer")}
    for name, about in (
        ("customer", {"account_id": customer}),
        ("customer", {"contact_id": contact}),
        ("prospect", {"account_id": prospect}),
        ("lead", {"lead_id": lead}),
    ):
        assert world.ask(**about) == ("manager", policies[name], "pending", "waiting")
    for policy in policies.values():
        end(world, policy)
    passes = world.policy("nothing", audience="lead")
    assert world.ask(lead_id=lead) == ("nothing", passes, "approved", "queued")
    assert world.ask(lead_id=lead, contact_id=contact) == ("approval", None, "pending", "waiting"), "not only a lead"


def test_what_passes_is_kept_with_its_hash_and_audited(world: World) -> None:
    policy = world.policy("nothing")
    event: Event = command(world.tenant, "agent.draft_email", account_id=world.account(), purpose="Hello")
    trigger(world.database, event)
    trigger(world.database, event)
    content = {"command": event.type, **event.data}
    query = "select content, content_hash, reviewed_at = created_at, reviewed_by from approval_items"
    assert rows(world.database, query) == [(content, content_hash(content), True, None)]
    query = "select actor_type, actor_id, action, after ->> 'content_hash' from audit"
    assert rows(world.database, query) == [("approval_policy", policy, "approval.approved", content_hash(content))]


def test_what_is_switched_off_asks_nobody(world: World) -> None:
    world.policy("nothing")
    world.add(world.tenant, "agent_configs", agent_type="email", enabled=False)
    assert world.ask(account_id=world.account()) is None
