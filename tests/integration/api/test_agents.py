"""Agents: off until somebody switches them on, and never with more rights than who asks and who stands for them."""

import asyncio
from typing import Any

import httpx
import pytest

from bevyly.clock import SystemClock
from bevyly.ids import new_id
from tests.integration.api.conftest import Api

BASE = "/api/v1/agents"


async def configure(client: httpx.AsyncClient, agent: str, sponsor: str, **values: Any) -> httpx.Response:
    return await client.put(f"{BASE}/{agent}", json={"enabled": True, "sponsor_id": sponsor} | values)


async def account_of(client: httpx.AsyncClient, owner: str | None = None) -> str:
    answer = await client.post("/api/v1/accounts", json={"name": "Acme", "owner_id": owner})
    return str(answer.json()["id"])


async def ask(client: httpx.AsyncClient, account: str, agent: str = "enrichment") -> tuple[int, str | None]:
    answer = await client.post(f"{BASE}/{agent}/runs", json={"account_id": account})
    return answer.status_code, answer.json().get("code")


async def test_an_agent_is_off_until_it_is_switched_on_and_again_when_it_is_switched_off(api: Api) -> None:
    owner = api.a.users["owner"]
    async with api.client(api.a) as client:
        account = await account_of(client)
        shown = (await client.get(BASE)).json()["data"]
        assert [(one["type"], one["enabled"], one["version"]) for one in shown] == [
            (name, False, 0) for name in ("lead_source", "enrichment", "email", "voice")
        ]
        assert await ask(client, account) == (409, "agent_switched_off")
        costs = {"cost_cap_minor": 5000, "run_cost_minor": 20, "currency": "EUR"}
        made = await configure(client, "enrichment", owner, **costs)
        assert made.json().items() >= costs.items()
        assert (made.status_code, made.headers["etag"], made.json()["cost_cap_minor"]) == (200, '"1"', 5000)
        assert made.content == (await client.get(f"{BASE}/enrichment")).content
        assert await ask(client, account) == (202, None)
        off = await client.put(
            f"{BASE}/enrichment", json={"enabled": False, "sponsor_id": owner}, headers={"if-match": '"1"'}
        )
        assert (off.status_code, off.json()["version"], off.json()["currency"]) == (200, 2, None)
        assert await ask(client, account) == (409, "agent_switched_off")
        stale = await client.put(
            f"{BASE}/enrichment", json={"enabled": True, "sponsor_id": owner}, headers={"if-match": '"1"'}
        )
        assert stale.status_code == 412
    assert [event.type for event in api.events()] == ["account.created", "agent.enrich_account"]
    changes = api.sql("select before ->> 'enabled', after ->> 'enabled' from audit where action = 'agent.configured'")
    assert sorted(changes, key=str) == [("true", "false"), (None, "true")]


async def test_what_a_command_leaves_out_is_as_configured(api: Api) -> None:
    owner = api.a.users["owner"]
    async with api.client(api.a) as client:
        defaults = {"criteria": {"industry": "Software", "size": [10, 50]}, "limit": 20}
        assert (await configure(client, "lead_source", owner, defaults=defaults)).status_code == 200
        for body in ({}, {"limit": 5}):
            assert (await client.post(f"{BASE}/lead_source/runs", json=body)).status_code == 202
        await configure(client, "email", owner, defaults={"instructions": "Be brief."})
        account = await account_of(client)
        assert await ask(client, account, "email") == (202, None)
    asked = [event.data for event in api.events() if event.type.startswith("agent.")]
    assert asked == [
        defaults | {"requested_by": owner},
        defaults | {"limit": 5, "requested_by": owner},
        {"instructions": "Be brief.", "account_id": account, "requested_by": owner},
    ]


async def test_an_agent_may_no_more_than_its_sponsor(api: Api) -> None:
    member = api.a.users["member"]
    api.sql("update customers set record_visibility = 'own' where id = %s", api.a.customer_id)
    async with api.client(api.a) as client:
        own, other = await account_of(client, member), await account_of(client, api.a.users["owner"])
        refused = await configure(client, "enrichment", api.a.users["viewer"])
        assert (refused.status_code, refused.json()["code"]) == (409, "sponsor_not_allowed")
        missing = await configure(client, "enrichment", api.b.users["owner"])
        assert (missing.status_code, missing.json()["code"]) == (404, "reference_not_found")
        assert (await configure(client, "enrichment", member)).status_code == 200
        assert await ask(client, own) == (202, None)
        assert await ask(client, other) == (409, "sponsor_not_allowed"), "out of the sponsor's sight"
        api.sql("update users set role = 'viewer' where id = %s", member)
        assert await ask(client, own) == (409, "sponsor_not_allowed"), "no longer allowed what the agent does"
        api.sql("update users set role = 'member', disabled_at = now() where id = %s", member)
        assert await ask(client, own) == (409, "sponsor_not_allowed"), "no longer there"
    assert [event.type for event in api.events()].count("agent.enrich_account") == 1


async def test_whoever_asks_sees_what_it_is_about(api: Api) -> None:
    async with api.client(api.a) as client:
        await configure(client, "enrichment", api.a.users["owner"])
        account, deleted = await account_of(client, api.a.users["owner"]), await account_of(client)
        await client.delete(f"/api/v1/accounts/{deleted}")
        for gone in (deleted, new_id()):
            assert await ask(client, gone) == (404, "reference_not_found")
        api.sql("update customers set record_visibility = 'own' where id = %s", api.a.customer_id)
        assert await ask(client, account) == (202, None)
    async with api.client(api.a, "member") as client:
        assert await ask(client, account) == (404, "reference_not_found")


@pytest.mark.parametrize(
    ("method", "agent", "body"),
    [
        ("PUT", "email", {"defaults": {"limit": 5}}),
        ("PUT", "lead_source", {"defaults": {"limit": 0}}),
        ("PUT", "voice", {"cost_cap_minor": 1}),
        ("PUT", "voice", {"run_cost_minor": 1}),
        ("PUT", "voice", {"cost_cap_minor": -1, "currency": "EUR"}),
        ("PUT", "voice", {"version": 3}),
        ("POST", "email", {"purpose": "to nobody"}),
        ("POST", "enrichment", {}),
        ("POST", "lead_source", {"limit": 1001}),
        ("POST", "lead_source", {"requested_by": new_id()}),
    ],
)
async def test_each_agent_is_spoken_to_in_its_own_words(
    api: Api, method: str, agent: str, body: dict[str, Any]
) -> None:
    config = {"enabled": True, "sponsor_id": api.a.users["owner"]} if method == "PUT" else {}
    path = f"{BASE}/{agent}" + ("" if method == "PUT" else "/runs")
    async with api.client(api.a) as client:
        answer = await client.request(method, path, json=config | body)
    assert answer.status_code == 422, answer.text
    assert api.rows("agent_configs") == api.events() == []


def run_that_is(api: Api, status: str, **values: Any) -> str:
    """A run of the enrichment agent, which costs something."""
    row = {"id": new_id(), "status": status, "command_id": new_id(), "started_at": SystemClock().now()} | values
    row |= {"customer_id": api.a.customer_id, "agent_type": "enrichment", "cost_minor": 20, "currency": "EUR"}
    api.sql(f"insert into agent_runs ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})", *row.values())
    return str(row["id"])


async def test_a_run_is_cancelled_while_it_is_queued_and_then_costs_nothing(api: Api) -> None:
    queued = run_that_is(api, "queued")
    async with api.client(api.a, "member") as client:
        answer = await client.post(f"{BASE}/runs/{queued}/cancel")
        assert answer.status_code == 200, answer.text
        assert answer.content == (await client.get(f"{BASE}/runs/{queued}")).content
        shown = answer.json()
        assert (shown["status"], shown["cost_minor"], shown["completed_at"] is None) == ("cancelled", None, False)
        for status in ("running", "waiting", "succeeded", "failed", "refused", "cancelled"):
            refused = await client.post(f"{BASE}/runs/{run_that_is(api, status)}/cancel")
            problem = refused.json()
            assert (refused.status_code, problem["code"], problem["current"]) == (409, "run_not_queued", status)
        for missing in (new_id(), "x"):
            assert (await client.post(f"{BASE}/runs/{missing}/cancel")).status_code == 404
    assert api.sql(
        "select action, before ->> 'status', after ->> 'status' from audit where entity_id = %s", queued
    ) == [("agent_run.cancelled", "queued", "cancelled")]


async def test_of_many_who_cancel_a_run_one_does(api: Api) -> None:
    queued = run_that_is(api, "queued")
    async with api.client(api.a, patient=True) as client:
        answers = await asyncio.gather(*(client.post(f"{BASE}/runs/{queued}/cancel") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
