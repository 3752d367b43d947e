"""Approvals: one decision counts, of exactly what was seen, by somebody else than who asked, and in time."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from bevyly.agents.content import content_hash
from bevyly.clock import SystemClock
from bevyly.db.engine import make_engine
from bevyly.events.envelope import Event
from bevyly.identity.keys import create_api_key
from bevyly.ids import new_id
from pipelines.streams.agent_trigger import AgentTrigger
from tests.integration.api.conftest import Api

BASE = "/api/v1/approvals"
CONTENT = {"command": "agent.draft_email", "purpose": "Ask for the next step", "limits": {"words": 120.0}}
RACERS = 16


def waiting(api: Api, **values: Any) -> str:
    """An email that waits for an approval."""
    row = {"content": CONTENT} | values
    row |= {"id": new_id(), "content": Jsonb(row["content"]), "content_hash": content_hash(row["content"])}
    names = ", ".join(row)
    holes = ", ".join(["%s"] * len(row))
    statement = f"insert into approval_items (customer_id, item_type, {names}) values (%s, 'email', {holes})"
    api.sql(statement, api.a.customer_id, *row.values())
    return str(row["id"])


async def decide(client: httpx.AsyncClient, item: str, verb: str, **body: Any) -> tuple[int, str | None]:
    """Status and code of a decision; an approval is one of what is shown now."""
    if verb == "approve" and not body:
        body = {"content_hash": (await client.get(f"{BASE}/{item}")).json()["content_hash"]}
    answer = await client.post(f"{BASE}/{item}/{verb}", json=body or {"reason": "no"})
    return answer.status_code, answer.json().get("code")


@pytest.mark.parametrize("verbs", [("approve", "approve"), ("approve", "reject")])
async def test_of_many_who_decide_at_once_one_does(api: Api, verbs: tuple[str, str]) -> None:
    item, ready = waiting(api), asyncio.Barrier(RACERS)

    async def race(number: int) -> tuple[str, int, str | None]:
        verb = verbs[number % 2]
        body = {"content_hash": content_hash(CONTENT)} if verb == "approve" else {"reason": "no"}
        async with api.client(api.a, ("owner", "admin", "member")[number % 3], patient=True) as client:
            await ready.wait()
            return verb, *await decide(client, item, verb, **body)

    results = await asyncio.gather(*(race(number) for number in range(RACERS)))
    (won,) = [verb for verb, status, _ in results if status == 200]
    assert sorted(result[1:] for result in results) == [(200, None)] + [(409, "approval_not_pending")] * (RACERS - 1)
    status = {"approve": "approved", "reject": "rejected"}[won]
    assert api.sql("select status, version from approval_items where id = %s", item) == [(status, 2)]
    assert [(event.type, event.sequence) for event in api.events()] == [(f"approval.{status}", 2)]
    assert api.sql("select action, after ->> 'status' from audit where entity_id = %s", item) == [
        (f"approval.{status}", status)
    ]


async def test_what_is_approved_is_what_was_seen(api: Api) -> None:
    item = waiting(api)
    async with api.client(api.a) as client:
        seen = (await client.get(f"{BASE}/{item}")).json()["content_hash"]
        edited = await client.post(f"{BASE}/{item}/edit", json={"content": CONTENT | {"purpose": "Buy now"}})
        assert edited.status_code == 200, edited.text
        assert (edited.headers["etag"], edited.json()["edited_by"]) == ('"2"', api.a.users["owner"])
        assert await decide(client, item, "approve", content_hash=seen) == (412, "approval_content_changed")
        assert api.events() == []
        assert await decide(client, item, "approve", content_hash=edited.json()["content_hash"]) == (200, None)
    ((content, stored),) = api.sql("select content, content_hash from approval_items where id = %s", item)
    assert stored == content_hash(content) == edited.json()["content_hash"] != seen
    assert api.events()[-1].data["content_hash"] == stored
    before, after = api.sql("select before, after from audit where action = 'approval.edited'")[0]
    assert (before["content_hash"], after["content_hash"]) == (seen, stored)


async def test_an_edit_stays_with_its_command_its_record_and_its_version(api: Api) -> None:
    content = CONTENT | {"account_id": new_id(), "requested_by": api.a.users["viewer"]}
    item = waiting(api, content=content)
    path = f"{BASE}/{item}/edit"
    async with api.client(api.a) as client:
        for change in ({"account_id": new_id()}, {"contact_id": new_id()}, {"command": "x"}, {"requested_by": None}):
            assert (await client.post(path, json={"content": content | change})).status_code == 422, change
        stale = await client.post(path, json={"content": content | {"purpose": "y"}}, headers={"if-match": '"7"'})
        assert stale.status_code == 412
        same = await client.post(path, json={"content": content})
        assert (same.status_code, same.json()["version"], same.json()["edited_by"]) == (200, 1, None)
        assert await decide(client, item, "reject") == (200, None)
        assert (await client.post(path, json={"content": content})).json()["code"] == "approval_not_pending"


async def test_nobody_allows_what_they_asked_for_or_answer_for(api: Api) -> None:
    """From the request over the agent trigger to the decision; the person's API key is the person."""
    engine = make_engine(api.database.app_url, pool_size=1)
    key = create_api_key(engine, api.a.customer_id, api.a.users["member"], "k", ["approvals:decide", "approvals:read"])
    engine.dispose()
    async with api.client(api.a) as owner, api.client(api.a, "member") as member, api.client(api.a, "admin") as admin:
        account = (await owner.post("/api/v1/accounts", json={"name": "Acme"})).json()["id"]
        config = {"enabled": True, "sponsor_id": api.a.users["owner"]}
        assert (await owner.put("/api/v1/agents/email", json=config)).status_code == 200
        asked = await member.post("/api/v1/agents/email/runs", json={"account_id": account})
        assert asked.status_code == 202, asked.text
        take(api, api.events()[-1])
        run = (await member.get("/api/v1/agents/runs", params=asked.json() | {"status": "waiting"})).json()["data"][0]
        listed = (await member.get(BASE, params={"agent_run_id": run["id"]})).json()["data"]
        item = listed[0]["id"]
        assert (listed[0]["requested_by"], listed[0]["sponsor_id"]) == (api.a.users["member"], api.a.users["owner"])
        # another sponsor now does not make the one of then a stranger
        await owner.put("/api/v1/agents/email", json=config | {"sponsor_id": api.a.users["admin"]})
        async with api.client(**{"x-api-key": key}) as by_key:
            for client in (member, by_key, owner):
                assert await decide(client, item, "approve") == (403, "self_approval")
        assert await decide(admin, item, "approve") == (200, None)
        reviewed = (await member.get(f"{BASE}/{item}")).json()
    assert (reviewed["status"], reviewed["reviewed_by"]) == ("approved", api.a.users["admin"])


def take(api: Api, event: Event) -> None:
    """Let the agent trigger take a command."""
    with psycopg.connect(api.database.pipeline_url) as connection:
        AgentTrigger(SystemClock())(connection, [event])


async def test_what_waited_too_long_reads_as_expired_and_is_not_decided(api: Api) -> None:
    now = datetime.now(UTC)
    late, in_time = (waiting(api, expires_at=now + timedelta(hours=hours)) for hours in (-1, 1))
    async with api.client(api.a) as client:
        assert [(await client.get(f"{BASE}/{item}")).json()["status"] for item in (late, in_time)] == [
            "expired",
            "pending",
        ]
        for query in ({"status": "expired"}, {"filter": 'status eq "expired"'}, {"sort": "expires_at", "limit": 1}):
            found = (await client.get(BASE, params=query)).json()["data"]
            assert [(row["id"], row["status"]) for row in found] == [(late, "expired")], query
        assert await decide(client, late, "approve") == (409, "approval_expired")
        assert await decide(client, late, "reject") == (409, "approval_expired")
        edit = await client.post(f"{BASE}/{late}/edit", json={"content": CONTENT | {"purpose": "y"}})
        assert edit.json()["code"] == "approval_expired"
        assert await decide(client, in_time, "approve") == (200, None)


async def test_what_is_about_a_record_out_of_sight_is_out_of_sight(api: Api) -> None:
    api.sql("update customers set record_visibility = 'own' where id = %s", api.a.customer_id)
    items = []
    async with api.client(api.a) as client:
        for role in ("member", "owner"):
            body = {"name": role, "owner_id": api.a.users[role]}
            account = (await client.post("/api/v1/accounts", json=body)).json()["id"]
            items.append(waiting(api, content=CONTENT | {"account_id": account}))
    mine, theirs = items
    async with api.client(api.a, "member") as client:
        assert [row["id"] for row in (await client.get(BASE)).json()["data"]] == [mine]
        assert (await client.get(f"{BASE}/{theirs}")).status_code == 404
        assert (await client.post(f"{BASE}/{theirs}/reject", json={"reason": "no"})).status_code == 404
        assert await decide(client, mine, "approve") == (200, None)
    async with api.client(api.a) as client:
        assert await decide(client, theirs, "approve") == (200, None)


async def test_what_is_left_to_managers_is_not_approved_by_others(api: Api) -> None:
    item = waiting(api, requires="manager")
    async with api.client(api.a, "member") as member, api.client(api.a, "admin") as admin:
        assert await decide(member, item, "approve") == (403, "manager_required")
        assert api.events() == []
        assert await decide(admin, item, "approve") == (200, None)
        assert await decide(member, waiting(api, requires="manager"), "reject") == (200, None)
