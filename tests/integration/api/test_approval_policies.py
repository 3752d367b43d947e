"""Policies over HTTP: made and ended, never changed; what they asked for can be read for ever."""

from typing import Any

import psycopg
import pytest

from api.modules.approval_policies import service
from bevyly.clock import SystemClock
from pipelines.streams.agent_trigger import AgentTrigger
from tests.integration.api.conftest import Api

BASE = "/api/v1/approval-policies"
RULE = {"requires": "manager", "action": "draft_email", "audience": "prospect", "amount_minor": 500, "currency": "EUR"}


async def test_a_policy_holds_until_it_is_ended(api: Api) -> None:
    async with api.client(api.a) as client:
        made = await client.post(BASE, json=RULE)
        assert (made.status_code, made.headers["etag"]) == (201, '"1"')
        policy = made.json()
        assert policy.items() >= (RULE | {"created_by": api.a.users["owner"], "ended_at": None}).items()
        path = made.headers["location"]
        assert (await client.get(path)).content == made.content
        assert (await client.delete(path, headers={"if-match": '"7"'})).status_code == 412
        assert (await client.delete(path)).status_code == 204
        assert (await client.delete(path)).status_code == 404
        ended = (await client.get(path)).json()
        assert (ended["ended_at"] is None, ended["version"]) == (False, 2)
        shown = [(await client.get(BASE, params={"in_force": flag})).json()["data"] for flag in ("true", "false")]
        assert shown == [[], [ended]]
    assert api.sql("select action, before, after from audit where entity_id = %s order by action", policy["id"]) == [
        ("approval_policy.created", None, RULE),
        ("approval_policy.ended", RULE, None),
    ]


@pytest.mark.parametrize(
    "body",
    [{}, {"requires": "everything"}, RULE | {"currency": None}, RULE | {"amount_minor": -1}, RULE | {"action": "x"}],
)
async def test_a_policy_is_whole(api: Api, body: dict[str, Any]) -> None:
    async with api.client(api.a) as client:
        assert (await client.post(BASE, json=body)).status_code == 422


async def test_there_are_not_more_than_can_be_held_against_a_command(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_POLICIES", 1)
    async with api.client(api.a) as client:
        made = await client.post(BASE, json=RULE)
        refused = await client.post(BASE, json=RULE)
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_approval_policies")
        await client.delete(made.headers["location"])
        assert (await client.post(BASE, json=RULE)).status_code == 201


async def test_an_approval_says_which_policy_it_comes_from(api: Api) -> None:
    """From the policy over the request and the agent trigger to what is shown."""
    async with api.client(api.a) as owner:
        policy = (await owner.post(BASE, json=RULE | {"amount_minor": None, "currency": None})).json()
        account = (await owner.post("/api/v1/accounts", json={"name": "Acme"})).json()["id"]
        await owner.put("/api/v1/agents/email", json={"enabled": True, "sponsor_id": api.a.users["owner"]})
        await owner.post("/api/v1/agents/email/runs", json={"account_id": account})
        with psycopg.connect(api.database.pipeline_url) as connection:
            AgentTrigger(SystemClock())(connection, [api.events()[-1]])
        await owner.delete(f"{BASE}/{policy['id']}")
        query = {"filter": f'policy_id eq "{policy["id"]}" and requires eq "manager"'}
        ((shown),) = (await owner.get("/api/v1/approvals", params=query)).json()["data"]
    assert (shown["policy_id"], shown["requires"], shown["status"]) == (policy["id"], "manager", "pending")
