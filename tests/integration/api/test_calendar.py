"""Calendars: what is planned, for whom, how busy that makes them, and when they are free."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bevyly.clock import FixedClock
from tests.integration.api.conftest import Api, Tenant, running, two_tenants
from tests.support.databases import Database

# noon of the Friday before clocks go back in New York
NOW = datetime(2026, 10, 30, 16, tzinfo=UTC)
WEEK = {"from": "2026-10-30T00:00:00Z", "to": "2026-11-03T00:00:00Z"}
HOURS = '{"working_hours": {"days": [1, 2, 3, 4, 5, 7], "start": "10:00", "end": "12:00"}}'


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def started(module_database: Database, redis_url: str) -> Any:
    async with running(module_database, redis_url, clock=FixedClock(NOW)) as api:
        yield api


@pytest.fixture
def team(started: Api) -> Tenant:
    """A new tenant in New York."""
    tenant, _ = two_tenants(started.database)
    started.sql("update customers set timezone = 'America/New_York' where id = %s", tenant.customer_id)
    return tenant


async def plan(client: httpx.AsyncClient, kind: str, due_at: str | None, **values: Any) -> str:
    answer = await client.post("/api/v1/activities", json={"kind": kind, "due_at": due_at} | values)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


async def read(client: httpx.AsyncClient, path: str = "", **query: Any) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/calendar{path}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_everybody_has_what_they_own_and_what_they_attend(started: Api, team: Tenant) -> None:
    member, viewer = team.users["member"], team.users["viewer"]
    async with started.client(team) as client:
        people = [{"user_id": member}, {"user_id": viewer, "response": "declined"}]
        meeting = await plan(client, "meeting", "2026-11-02T15:00:00Z", duration_seconds=3600, participants=people)
        call = await plan(client, "call", "2026-11-02T15:30:00Z")
        task = await plan(client, "task", "2026-11-02T16:00:00Z")
        held = await plan(client, "meeting", None, occurred_at="2026-10-29T23:50:00Z", owner_id=viewer)
        loose = await plan(client, "task", "2026-11-01T16:00:00Z", owner_id=None)
        done = await plan(client, "task", "2026-11-02T16:00:00Z")
        await client.post(f"/api/v1/activities/{done}/complete", json={})
        gone = await plan(client, "meeting", "2026-11-02T16:00:00Z")
        await client.delete(f"/api/v1/activities/{gone}")
        for outside in ("2026-10-29T23:30:00Z", "2026-11-03T00:00:00Z"):
            await plan(client, "meeting", outside)
        await plan(client, "task", "2026-10-29T23:59:00Z")
        await plan(client, "note", None)

        found = await read(client, **WEEK)
        assert (found["from"], found["to"], found["truncated"]) == (
            "2026-10-30T00:00:00+00:00",
            "2026-11-03T00:00:00+00:00",
            False,
        )
        entries = {one["owner_id"]: [entry["id"] for entry in one["entries"]] for one in found["data"]}
        owner = team.users["owner"]
        assert entries == {owner: [meeting, call, task], member: [meeting], viewer: [held], None: [loose]}
        busy = {one["owner_id"]: (one["busy_minutes"], one["free_minutes"]) for one in found["data"]}
        assert busy == {owner: (60, 15 * 60), member: (60, 15 * 60), viewer: (20, 16 * 60), None: (0, 0)}

        mine = await read(client, owner_id=member, **WEEK)
        assert [one["owner_id"] for one in mine["data"]] == [member]
        assert mine["data"][0]["entries"][0]["end"] == "2026-11-02T16:00:00+00:00"
        idle = await read(client, owner_id=team.users["admin"], **WEEK)
        assert [(one["busy_minutes"], one["entries"]) for one in idle["data"]] == [(0, [])]


async def test_free_is_what_working_hours_leave_from_now_on(started: Api, team: Tenant) -> None:
    async with started.client(team) as client:
        await plan(client, "meeting", "2026-11-02T15:00:00Z", duration_seconds=3600)
        await plan(client, "call", "2026-11-02T15:50:00Z", duration_seconds=1200)
        await plan(client, "meeting", "2026-11-02T21:40:00Z", duration_seconds=300)
        await plan(client, "task", "2026-11-02T18:00:00Z")
        day = "2026-11-02T{}:00+00:00"
        friday = ("2026-10-30T16:00:00+00:00", "2026-10-30T21:00:00+00:00")

        async def slots(**query: Any) -> list[tuple[str, str]]:
            (one,) = (await read(client, "/availability", **WEEK, **query))["data"]
            return [(slot["start"], slot["end"]) for slot in one["slots"]]

        morning, rest = (day.format("14:00"), day.format("15:00")), (day.format("16:10"), day.format("21:40"))
        assert await slots() == [friday, morning, rest]
        assert await slots(minutes=10) == [friday, morning, rest, (day.format("21:45"), day.format("22:00"))]
        assert await slots(minutes=61) == [friday, rest]
        assert len(await slots(owner_id=team.users["member"])) == 2
        started.sql("update customers set settings = %s where id = %s", HOURS, team.customer_id)
        sunday = ("2026-11-01T15:00:00+00:00", "2026-11-01T17:00:00+00:00")
        assert await slots() == [sunday, (day.format("16:10"), day.format("17:00"))]


async def test_a_window_is_a_week_of_the_tenants_days_where_nothing_is_said(started: Api, team: Tenant) -> None:
    async with started.client(team) as client:
        found = await read(client)
    assert (found["from"], found["to"]) == ("2026-10-30T04:00:00+00:00", "2026-11-06T05:00:00+00:00")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"from": "2026-10-01T04:00:00Z", "to": "2026-12-02T05:00:00Z"}, 200),
        ({"from": "2026-10-01T00:00:00Z", "to": "2026-12-02T01:00:01Z"}, 422),
        ({"from": "2026-11-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, 422),
        ({"to": "2026-01-01T00:00:00Z"}, 422),
        ({"to": "2199-01-01T00:00:00Z"}, 422),
        ({"from": "2026-11-01T00:00:00"}, 422),
        ({"start": "2026-11-01T00:00:00Z"}, 422),
    ],
)
async def test_a_window_is_at_most_62_days(started: Api, team: Tenant, query: dict[str, str], status: int) -> None:
    async with started.client(team) as client:
        for path in ("", "/availability"):
            assert (await client.get(f"/api/v1/calendar{path}", params=query)).status_code == status
