"""Merges taken back: whatever was merged, edited and taken back in what order, nothing is lost and nothing dangles."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.modules.merges.references import REFERENCES
from tests.integration.api.conftest import Api, Tenant, running, two_tenants
from tests.support.databases import Database

TABLES = ("accounts", "contacts", "leads", "opportunities", "activities", "activity_participants")
MARKS = ("version", "updated_at")
PATHS = {"account": "accounts", "contact": "contacts", "lead": "leads"}
EDITS: dict[str, list[dict[str, Any]]] = {
    "account": [{"city": "Bonn"}, {"industry": None}, {"custom": {"a": 9}}, {"custom": {"new": 1}}],
    "contact": [{"title": "CTO"}, {"phone": None}, {"custom": {"a": 9}}],
    "lead": [{"source": "fair"}, {"phone": None}, {"custom": {}}],
}
FEW = settings(
    max_examples=6, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)  # each example fills a tenant of its own


class World:
    """A tenant with three records of each kind and their children, driven over HTTP by one test at a time."""

    def __init__(self, api: Api, tenant: Tenant, client: httpx.AsyncClient) -> None:
        self.api, self.tenant, self.client = api, tenant, client
        self.ids: dict[str, list[str]] = {"account": [], "contact": [], "lead": []}
        self.merges: list[tuple[str, str, str]] = []

    async def fill(self, blanks: list[bool]) -> None:
        """Records that fill each other's gaps; `blanks` decides where those are."""
        for n in range(3):
            some = {"custom": {"a": n} | ({} if blanks[n] else {f"only{n}": True})}
            firm = {} if blanks[n] else {"industry": f"i{n}", "annual_revenue_minor": n, "currency": "EUR"}
            account = await self._new("account", name=f"Firm {n}", domain=f"firm{n}.example", **firm, **some)
            person = {"phone": f"+49 30 12345{n}"} if blanks[n] else {"title": f"t{n}"}
            contact = await self._new("contact", account_id=account, email=f"p{n}@firm{n}.example", **person, **some)
            lead = await self._new(
                "lead", company_name=f"Lead {n}", account_id=account, contact_id=None if blanks[n] else contact, **some
            )
            deal = {"account_id": account, "contact_id": contact, "lead_id": lead, "name": f"Deal {n}"}
            links = {"account_id": account, "contact_id": contact, "lead_id": lead}
            await self._post("opportunities", deal)
            await self._post("activities", {"kind": "note", **links, "participants": [{"contact_id": contact}]})

    async def merge(self, kind: str, survivor: int, other: int, *, pick: bool) -> None:
        """Merge if that is possible now."""
        one, two = self.ids[kind][survivor], self.ids[kind][other]
        field = {"account": "industry", "contact": "title", "lead": "company_name"}[kind]
        body = {"other_ids": [two], "fields": {field: two, "custom.a": two} if pick else {}}
        answer = await self.client.post(f"/api/v1/{PATHS[kind]}/{one}/merge", json=body)
        assert answer.status_code in (200, 409, 422), answer.text
        if answer.status_code == 200:
            self.merges.append((kind, one, answer.json()["merge_id"]))

    async def unmerge(self, number: int) -> int:
        """Take one of the merges back, if that is possible now."""
        kind, survivor, merge_id = self.merges[number % len(self.merges)]
        answer = await self.client.post(f"/api/v1/{PATHS[kind]}/{survivor}/unmerge", json={"merge_id": merge_id})
        assert answer.status_code in (200, 409), answer.text
        if answer.status_code == 200:
            self.merges.remove((kind, survivor, merge_id))
        return answer.status_code

    async def edit(self, kind: str, number: int, edit: int) -> None:
        """Change a field, of a survivor or of a record that is gone."""
        changes = EDITS[kind][edit % len(EDITS[kind])]
        answer = await self.client.patch(f"/api/v1/{PATHS[kind]}/{self.ids[kind][number]}", json=changes)
        assert answer.status_code in (200, 409), answer.text

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of the CRM, but for what says how often and when they were changed."""
        statement = "select to_jsonb(r) - %s::text[] from {} r where customer_id = %s order by id"
        return {
            table: [row[0] for row in self.api.sql(statement.format(table), list(MARKS), self.tenant.customer_id)]
            for table in TABLES
        }

    def assert_sound(self) -> None:
        """No chain of tombstones, no child of a tombstone."""
        for kind, references in REFERENCES.items():
            for reference in references:
                statement = (
                    f"select count(*) from {reference.table.__tablename__} r join {PATHS[kind]} t "
                    f"on t.customer_id = r.customer_id and t.id = r.{reference.column} "
                    "where r.customer_id = %s and t.merged_into is not null"
                )
                assert self.api.sql(statement, self.tenant.customer_id) == [(0,)], reference.name

    async def _new(self, kind: str, **values: Any) -> str:
        self.ids[kind].append(await self._post(PATHS[kind], values))
        return self.ids[kind][-1]

    async def _post(self, path: str, values: dict[str, Any]) -> str:
        answer = await self.client.post(f"/api/v1/{path}", json=values)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


KINDS = st.sampled_from(sorted(PATHS))
NUMBERS = st.integers(0, 2)
BLANKS = st.lists(st.booleans(), min_size=3, max_size=3)
MERGES = st.tuples(st.just("merge"), KINDS, NUMBERS, NUMBERS, st.booleans())
STEPS = st.one_of(
    MERGES,
    st.tuples(st.just("unmerge"), st.integers(0, 5)),
    st.tuples(st.just("edit"), KINDS, NUMBERS, st.integers(0, 3)),
)


@pytest.fixture(scope="module")
def started(module_database: Database, redis_url: str) -> Iterator[tuple[asyncio.Runner, Api]]:
    """An API on a loop of its own: hypothesis calls a test many times, each of them a short run on that loop."""
    with asyncio.Runner() as runner:
        context = running(module_database, redis_url)
        api = runner.run(context.__aenter__())
        yield runner, api
        runner.run(context.__aexit__(None, None, None))


def in_world(started: tuple[asyncio.Runner, Api], blanks: list[bool], play: Any) -> None:
    runner, api = started

    async def run() -> None:
        tenant, _ = two_tenants(api.database)
        async with api.client(tenant) as client:
            world = World(api, tenant, client)
            await world.fill(blanks)
            await play(world)

    runner.run(run())


@FEW
@given(blanks=BLANKS, merges=st.lists(MERGES, min_size=1, max_size=6))
def test_merges_taken_back_one_by_one_leave_everything_as_it_was(
    started: tuple[asyncio.Runner, Api], blanks: list[bool], merges: list[Any]
) -> None:
    async def play(world: World) -> None:
        before = world.rows()
        for _, kind, survivor, other, pick in merges:
            await world.merge(kind, survivor, other, pick=pick)
            world.assert_sound()
        while world.merges:
            assert await world.unmerge(-1) == 200
            world.assert_sound()
        assert world.rows() == before

    in_world(started, blanks, play)


@FEW
@given(blanks=BLANKS, steps=st.lists(STEPS, min_size=4, max_size=14))
def test_whatever_is_done_in_whatever_order_no_row_is_lost_or_dangles(
    started: tuple[asyncio.Runner, Api], blanks: list[bool], steps: list[Any]
) -> None:
    async def play(world: World) -> None:
        everything = {table: [row["id"] for row in rows] for table, rows in world.rows().items()}
        for action, *rest in steps:
            if action == "merge":
                kind, survivor, other, pick = rest
                await world.merge(kind, survivor, other, pick=pick)
            elif action == "edit":
                await world.edit(*rest)
            elif world.merges:
                await world.unmerge(*rest)
            world.assert_sound()
        while world.merges:
            assert 200 in [await world.unmerge(n) for n in range(len(world.merges))]
        rows = world.rows()
        assert {table: [row["id"] for row in found] for table, found in rows.items()} == everything
        for kind in PATHS.values():
            assert all(row["deleted_at"] is row["merged_into"] is None for row in rows[kind])

    in_world(started, blanks, play)
