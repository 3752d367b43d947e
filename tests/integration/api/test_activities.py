"""Activities change and are done and undone; tasks come in due order; people are recognized by their address."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest_asyncio

from bevyly.clock import FixedClock
from bevyly.ids import new_id
from tests.integration.api.conftest import Api, running
from tests.support.databases import Database

# eleven in the evening of a Wednesday in New York, Thursday in UTC
NOW = datetime(2026, 11, 26, 4, tzinfo=UTC)


async def make(client: httpx.AsyncClient, path: str = "activities", **values: Any) -> dict[str, Any]:
    answer = await client.post(f"/api/v1/{path}", json=values)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_change_needs_the_version_that_it_is_meant_for(api: Api) -> None:
    async with api.client(api.a) as client:
        account = await make(client, "accounts", name="Acme")
        task = await make(client, kind="task", subject="Call", custom={"a": 1})
        path = f"/api/v1/activities/{task['id']}"
        change = {"subject": "Call back", "account_id": account["id"], "custom": {"b": 2}}
        changed = await client.patch(path, json=change, headers={"if-match": '"1"'})
        assert (changed.status_code, changed.headers["etag"]) == (200, '"2"'), changed.text
        assert {name: changed.json()[name] for name in change} == change
        assert (await client.get(path)).json() == changed.json()
        assert (await client.patch(path, json=change)).headers["etag"] == '"2"', "the same again changes nothing"
        stale = await client.patch(path, json={"subject": "x"}, headers={"if-match": '"1"'})
        assert (stale.status_code, stale.json()["version"]) == (412, 2)
        for refused, status in (({"kind": "call"}, 422), ({"version": 9}, 422), ({"account_id": new_id()}, 404)):
            assert (await client.patch(path, json=refused)).status_code == status, refused
    audit = api.sql("select before, after from audit where action = 'activity.updated' and entity_id = %s", task["id"])
    assert audit == [({"subject": "Call", "account_id": None, "custom": {"a": 1}}, change)]


async def test_a_task_is_done_and_opened_again(api: Api) -> None:
    async with api.client(api.a) as client:
        task, call = await make(client, kind="task"), await make(client, kind="call")
        path = f"/api/v1/activities/{task['id']}"
        early = await client.post(f"{path}/reopen")
        assert (early.status_code, early.json()["code"]) == (409, "activity_not_completed")
        assert (await client.post(f"/api/v1/activities/{call['id']}/reopen")).status_code == 409
        assert (await client.post(f"{path}/complete", json={})).json()["completed_at"] is not None
        stale = await client.post(f"{path}/reopen", headers={"if-match": '"1"'})
        assert stale.status_code == 412
        opened = await client.post(f"{path}/reopen", headers={"if-match": '"2"'})
        assert (opened.json()["completed_at"], opened.headers["etag"]) == (None, '"3"')
        assert (await client.post(f"{path}/complete", json={})).headers["etag"] == '"4"'


async def test_a_call_that_is_planned_is_held_later(api: Api) -> None:
    later = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0).isoformat()
    async with api.client(api.a) as client:
        planned, held = await make(client, kind="call", occurred_at=later), await make(client, kind="call")
        assert planned["due_at"] == later, "a time to come is when it is due"
        never = await client.post(f"/api/v1/activities/{held['id']}/complete", json={})
        assert (never.status_code, never.json()["code"]) == (409, "activity_not_planned")
        path = f"/api/v1/activities/{planned['id']}/complete"
        assert (await client.post(path, json={"duration_seconds": 60})).status_code == 200
        assert (await client.post(path, json={})).status_code == 409
    names = ("due_at", "duration_seconds")
    told = [(event.type, event.sequence, *(event.data[name] for name in names)) for event in api.events()]
    assert told == [
        ("call.scheduled", 1, later, None),
        ("call.completed", 1, None, None),
        ("call.completed", 2, None, 60),
    ]


async def test_an_address_stands_for_the_contact_who_has_it(api: Api) -> None:
    async with api.client(api.b) as client:
        await make(client, "contacts", email="ann@acme.example")
        await make(client, "contacts", email="only@b.example")
    async with api.client(api.a) as client:
        gone = await make(client, "contacts", email="ann@acme.example")
        await client.delete(f"/api/v1/contacts/{gone['id']}")
        ann = await make(client, "contacts", email="Ann@Acme.example")
        await make(client, "contacts?allow_duplicates=true", email="ann@acme.example")
        people = [
            {"email": "ANN@acme.example", "response": "accepted"},
            {"email": "only@b.example"},
            {"email": "ann@acme.example", "user_id": api.a.users["owner"]},
            {"email": "xann@acme.example"},
        ]
        meeting = await make(client, kind="meeting", due_at="2199-01-01T00:00:00Z", participants=people)
        assert [one["contact_id"] for one in meeting["participants"]] == [ann["id"], None, None, None]
        assert meeting["participants"][0]["response"] == "accepted"
        path = f"/api/v1/activities/{meeting['id']}"
        answers = [{"email": "ann@acme.example", "response": "declined"}]
        changed = await client.patch(path, json={"participants": answers})
        (one,) = changed.json()["participants"]
        assert (one["contact_id"], one["response"]) == (ann["id"], "declined")
        assert (await client.patch(path, json={"participants": answers})).headers["etag"] == '"2"'
        bad = await client.patch(path, json={"participants": [{"response": "perhaps"}]})
        assert bad.status_code == 422


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def late(module_database: Database, redis_url: str) -> Any:
    """An API at a fixed instant, whose tenant A lives in New York."""
    async with running(module_database, redis_url, clock=FixedClock(NOW)) as started:
        with psycopg.connect(module_database.owner_url) as owner:
            zone = "update customers set timezone = 'America/New_York' where id = %s"
            owner.execute(zone, (started.a.customer_id,))
        yield started


async def test_tasks_come_in_the_order_in_which_they_are_due(late: Api) -> None:
    dues = {
        "yesterday": "2026-11-25T04:00:00Z",
        "this morning": "2026-11-25T14:00:00Z",
        "tonight": "2026-11-26T04:30:00Z",
        "tomorrow": "2026-11-26T05:00:00Z",
        "in six days": "2026-12-02T04:59:00Z",
        "in seven days": "2026-12-02T05:00:00Z",
        "some day": None,
        "some other day": None,
    }
    async with late.client(late.a) as client:
        for subject, due in reversed(dues.items()):
            await make(client, kind="task", subject=subject, due_at=due)
        done = await make(client, kind="task", due_at="2026-11-26T04:30:00Z")
        await client.post(f"/api/v1/activities/{done['id']}/complete", json={})
        await make(client, kind="meeting", due_at="2026-11-26T04:30:00Z")
        theirs = {"kind": "task", "due_at": "2026-11-26T04:30:00Z", "owner_id": late.a.users["member"]}
        await make(client, subject="of another", **theirs)

        async def asked(**query: Any) -> list[str]:
            query = {"owner_id": late.a.users["owner"], "limit": 3} | query
            found: list[str] = []
            while True:
                answer = await client.get("/api/v1/tasks", params=query)
                assert answer.status_code == 200, answer.text
                found += [one["subject"] for one in answer.json()["data"]]
                query["cursor"] = answer.json()["page"]["next_cursor"]
                if query["cursor"] is None:
                    return found

        everything = await asked()
        assert everything[:6] == list(dues)[:6]
        assert sorted(everything[6:]) == ["some day", "some other day"]
        assert await asked(due="overdue") == ["yesterday", "this morning"]
        assert await asked(due="today") == ["this morning", "tonight"]
        assert await asked(due="week") == ["this morning", "tonight", "tomorrow", "in six days"]
        assert await asked(owner_id=late.a.users["member"]) == ["of another"]
        assert (await client.get("/api/v1/tasks", params={"due": "someday"})).status_code == 422
