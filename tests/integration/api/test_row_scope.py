"""Whose records a user sees: over HTTP it is what a few lines of Python say, whatever teams and owners there are."""

import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest

from api.dependencies.principal import RECHECK_AFTER
from bevyly.clock import FixedClock
from bevyly.db.engine import make_engine
from bevyly.identity.keys import create_api_key
from bevyly.ids import new_id
from tests.integration.api.conftest import Api, running
from tests.integration.api.seeds import LATER, NOW
from tests.support.databases import Database

KINDS = {
    "account": "accounts",
    "contact": "contacts",
    "lead": "leads",
    "opportunity": "opportunities",
    "activity": "activities",
}
LINKS = {"contact": ("account_id",), "activity": ("account_id", "opportunity_id", "lead_id")}
"""Records that make others visible: a contact by its account, an activity by what it is about."""
MANAGERS = ("owner", "admin")
Row = dict[str, Any]


@dataclass
class World:
    """A tenant with random teams and records, and who sees what of it."""

    api: Api
    dice: random.Random
    visibility: str
    teams: list[dict[str, bool]] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    """Records with a signal and a recommendation."""
    rows: dict[str, dict[str, Row]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    @property
    def users(self) -> dict[str, str]:
        return self.api.a.users

    def build(self) -> None:
        """People, teams, and records with random owners."""
        for name in ("ann", "bo", "cy"):
            self.users[name] = self.api.database.add_user(
                self.api.a.customer_id, f"{new_id()}@a.example", role="member"
            )
        narrow = [name for name in self.users if name not in MANAGERS]
        for _ in range(self.dice.randint(0, 3)):
            people = self.dice.sample(narrow, self.dice.randint(1, 3))
            self.teams.append({self.users[name]: self.dice.random() < 0.4 for name in people})
        for kind, plural in KINDS.items():
            for _ in range(8 if kind == "activity" else 5):
                self._add(kind, plural)
        self._store()

    def _add(self, kind: str, plural: str) -> None:
        row = {"id": new_id(), "owner_id": self.dice.choice([*self.users.values(), None])}
        for link in LINKS.get(kind, ()):
            others = list(self.rows[link.removesuffix("_id")])
            row[link] = self.dice.choice([*others, None, None])
        row |= {
            "account": {"name": plural},
            "contact": {},
            "lead": {"company_name": new_id()},
            "opportunity": {"name": "d", "stage": "proposal", "stage_entered_at": NOW},
            "activity": {"kind": "task", "direction": "internal", "occurred_at": NOW},
        }[kind]
        if kind == "opportunity":
            row["account_id"] = self.dice.choice(list(self.rows["account"]))
        self.rows[kind][row["id"]] = row

    def _store(self) -> None:
        tenant = self.api.a.customer_id
        with psycopg.connect(self.api.database.pipeline_url) as connection:

            def insert(table: str, values: Row) -> None:
                names = ", ".join(values)
                holes = ", ".join(["%s"] * len(values))
                connection.execute(
                    f"insert into {table} (customer_id, {names}) values (%s, {holes})", [tenant, *values.values()]
                )

            connection.execute("update customers set record_visibility = %s where id = %s", (self.visibility, tenant))
            for number, members in enumerate(self.teams):
                team = new_id()
                insert("teams", {"id": team, "name": f"t{number}", "updated_at": NOW})
                for user, lead in members.items():
                    insert("team_members", {"team_id": team, "user_id": user, "lead": lead})
            for kind, plural in KINDS.items():
                for row in self.rows[kind].values():
                    insert(plural, row)
            for kind in ("account", "lead", "opportunity"):
                for record in self.rows[kind]:
                    self.told.add(record)
                    about = {"entity_type": kind, "entity_id": record}
                    insert("signals", about | SIGNAL | {"id": new_id(), "dedupe_key": record})
                    insert("recommendations", about | ADVICE | {"id": new_id(), "dedupe_key": record})
                    told = {"event_id": new_id(), "topic": "signals", "type": "signal.raised"}
                    insert("live_events", told | {"envelope": json.dumps({"data": about})})

    def owners_seen_by(self, name: str) -> set[str | None] | None:
        """Whose records a user sees; None for everybody's."""
        if name in MANAGERS or self.visibility == "everyone":
            return None
        me = self.users[name]
        seen: set[str | None] = {me} | ({None} if self.visibility == "team" else set())
        for members in self.teams:
            if me in members and (self.visibility == "team" or members[me]):
                seen |= set(members)
        return seen

    def sees(self, name: str, kind: str, record_id: str) -> bool:
        """Whether a user sees a record."""
        owners, row = self.owners_seen_by(name), self.rows[kind][record_id]
        if owners is None or row["owner_id"] in owners:
            return True
        links = [(link.removesuffix("_id"), row[link]) for link in LINKS.get(kind, ())]
        return any(other is not None and self.sees(name, linked, other) for linked, other in links)

    def visible(self, name: str, kind: str) -> set[str]:
        """Ids of the records of a kind that a user sees."""
        return {record_id for record_id in self.rows[kind] if self.sees(name, kind, record_id)}


SIGNAL = {
    "signal_type": "lead_ready", "polarity": "+", "severity": "low", "strength": 1, "title": "t",
    "detector_version": "1", "found_by": "batch", "first_seen_at": NOW, "last_seen_at": NOW,
}  # fmt: skip
ADVICE = {
    "action_type": "call", "priority": "low", "title": "t", "rationale": "r", "urgency": 1, "expected_value_minor": 1,
    "expected_value_low_minor": 1, "expected_value_high_minor": 1, "basis": "prior", "rank": 1, "expires_at": LATER,
    "as_of": NOW,
}  # fmt: skip


async def ids_in(client: httpx.AsyncClient, path: str, key: str = "id", **query: str) -> set[str]:
    answer = await client.get(path, params={"limit": "200"} | query)
    assert answer.status_code == 200, answer.text
    return {row[key] for row in answer.json()["data"]}


async def reads_are_narrow(world: World, name: str, client: httpx.AsyncClient) -> None:
    for kind, plural in KINDS.items():
        expected = world.visible(name, kind)
        assert await ids_in(client, f"/api/v1/{plural}") == expected, (name, kind)
        for record_id in world.rows[kind]:
            status = (await client.get(f"/api/v1/{plural}/{record_id}")).status_code
            assert status == (200 if record_id in expected else 404), (name, kind)
    entities = set().union(*(world.visible(name, kind) for kind in ("account", "lead", "opportunity")))
    for derived in ("signals", "recommendations"):
        assert await ids_in(client, f"/api/v1/intent/{derived}", "entity_id") == entities & world.told, (name, derived)
    live = await client.get(
        "/api/v1/live", params={"follow": "false"}, headers={"last-event-id": f"0-{time.time():.0f}"}
    )
    told = [json.loads(line.removeprefix("data: ")) for line in live.text.splitlines() if line.startswith("data: ")]
    assert {one["data"]["entity_id"] for one in told if "data" in one} == entities & world.told, name
    found = await ids_in(client, "/api/v1/search", q="accounts", kinds="account", limit="50")
    assert found == world.visible(name, "account"), name
    for account in world.rows["account"]:
        timeline = {
            one for one in world.visible(name, "activity") if world.rows["activity"][one]["account_id"] == account
        }
        assert await ids_in(client, "/api/v1/activities", account_id=account) == timeline, name
    for deal in world.rows["opportunity"]:
        status = (await client.get(f"/api/v1/opportunities/{deal}/history")).status_code
        assert status == (200 if world.sees(name, "opportunity", deal) else 404)


async def writes_are_narrow(world: World, name: str, client: httpx.AsyncClient) -> None:
    for kind, body in (("account", {"industry": name}), ("contact", {"title": name}), ("opportunity", {"name": name})):
        for record_id in world.rows[kind]:
            answer = await client.patch(f"/api/v1/{KINDS[kind]}/{record_id}", json=body)
            assert answer.status_code == (200 if world.sees(name, kind, record_id) else 404), (name, kind)
    owners = world.owners_seen_by(name)
    for user in [*world.users.values(), None]:
        answer = await client.post("/api/v1/leads", json={"company_name": "x", "owner_id": user})
        assert answer.status_code == (201 if owners is None or user in owners else 403), (name, answer.text)
        if answer.status_code == 201:
            world.rows["lead"][answer.json()["id"]] = {"owner_id": user}
        else:
            assert answer.json()["code"] == "out_of_sight"
    for account in world.rows["account"]:
        answers = [
            await client.post("/api/v1/opportunities", json={"name": "x", "account_id": account}),
            await client.post("/api/v1/activities", json={"kind": "note", "account_id": account}),
        ]
        expected = 201 if world.sees(name, "account", account) else 404
        assert [answer.status_code for answer in answers] == [expected, expected], name
        made = zip(("opportunity", "activity"), answers, strict=True)
        for kind, answer in made:
            if answer.status_code == 201:
                links = {"account_id": account, "opportunity_id": None, "lead_id": None}
                world.rows[kind][answer.json()["id"]] = links | {"owner_id": world.users[name]}


async def conversions_are_narrow(world: World, name: str, client: httpx.AsyncClient) -> None:
    left = [lead for lead, row in world.rows["lead"].items() if not row.get("converted")]
    for lead in world.dice.sample(left, min(3, len(left))):
        account = world.dice.choice(list(world.rows["account"]))
        allowed = world.sees(name, "lead", lead) and world.sees(name, "account", account)
        answer = await client.post(f"/api/v1/leads/{lead}/convert", json={"account_id": account})
        assert answer.status_code == (200 if allowed else 404), (name, answer.text)
        world.rows["lead"][lead]["converted"] = allowed


@pytest.mark.parametrize("number", range(5))
async def test_a_user_sees_and_changes_what_the_rules_say_and_nothing_else(api: Api, number: int) -> None:
    visibility = ("own", "team", "everyone")[number % 3]
    world = World(api, random.Random(number), visibility)
    world.build()
    hidden = 0
    for name in world.users:
        async with api.client(api.a, name) as client:
            await reads_are_narrow(world, name, client)
            if name != "viewer":
                await writes_are_narrow(world, name, client)
                await conversions_are_narrow(world, name, client)
                await reads_are_narrow(world, name, client)
        hidden += sum(len(rows) - len(world.visible(name, kind)) for kind, rows in world.rows.items())
    assert (hidden > 0) == (visibility != "everyone"), "the control: there is something to hide"


async def test_a_record_of_somebody_else_comes_back_only_to_who_sees_it(api: Api) -> None:
    async with api.client(api.a) as owner:
        account = (await owner.post("/api/v1/accounts", json={"name": "x"})).json()["id"]
        await owner.delete(f"/api/v1/accounts/{account}")
        api.sql("update customers set record_visibility = 'own' where id = %s", api.a.customer_id)
        api.sql("update users set role = 'admin' where id = %s", api.a.users["member"])
        async with api.client(api.a, "viewer") as viewer:
            assert (await viewer.get(f"/api/v1/accounts/{account}")).status_code == 404
        async with api.client(api.a, "member") as admin:
            assert (await admin.post(f"/api/v1/accounts/{account}/restore")).status_code == 200


async def test_an_api_key_sees_what_its_user_sees_and_sends_no_more(api: Api) -> None:
    api.sql("update customers set record_visibility = 'own' where id = %s", api.a.customer_id)
    engine = make_engine(api.database.app_url, pool_size=1)
    scopes = ["accounts:read", "events:write"]
    key = create_api_key(engine, api.a.customer_id, api.a.users["member"], "k", scopes)
    engine.dispose()
    async with api.client(api.a) as owner, api.client(**{"x-api-key": key}) as program:
        await owner.post("/api/v1/accounts", json={"name": "theirs"})
        envelope = {"specversion": "1.0", "source": "crm", "type": "account.created"}
        emails = {name: f"{name}@{api.a.customer_id}.example" for name in ("owner", "member")}
        batch = [
            {**envelope, "id": name, "data": {"account_id": name, "name": name, "owner_id": email}}
            for name, email in emails.items()
        ]
        headers = {"content-type": "application/cloudevents-batch+json"}
        sent = await program.post("/api/v1/events", json=batch, headers=headers)
        results = {row["id"]: row for row in sent.json()["results"]}
        assert {name: row["status"] for name, row in results.items()} == {"owner": "refused", "member": "created"}
        assert results["owner"]["problem"]["code"] == "out_of_sight"
        names = {row["name"] for row in (await program.get("/api/v1/accounts")).json()["data"]}
    assert names == {"member"}


async def test_another_visibility_counts_within_half_a_minute(database: Database, redis_url: str) -> None:
    clock = FixedClock(NOW)
    async with (
        running(database, redis_url, clock=clock) as api,
        api.client(api.a) as owner,
        api.client(api.a, "member") as member,
    ):
        await owner.post("/api/v1/accounts", json={"name": "theirs"})
        assert len(await ids_in(member, "/api/v1/accounts")) == 1
        api.sql("update customers set record_visibility = 'own' where id = %s", api.a.customer_id)
        clock.instant = NOW + RECHECK_AFTER
        assert await ids_in(member, "/api/v1/accounts") == set()
        assert len(await ids_in(owner, "/api/v1/accounts")) == 1


async def test_a_narrowed_request_leaves_nothing_on_its_connection(api: Api) -> None:
    api.sql("update customers set record_visibility = 'own' where id = %s", api.a.customer_id)
    async with api.client(api.a, "member") as member:
        await member.get("/api/v1/accounts")
        await member.post("/api/v1/accounts", json={"name": "x"})
    for connection in api.app.state.resources.reader._idle:
        cursor = await connection.execute("select coalesce(current_setting('bevyly.visible_owners', true), '')")
        assert await cursor.fetchone() == ("",)
    async with api.app.state.resources.engine.connect() as connection:
        left = await connection.exec_driver_sql("select coalesce(current_setting('bevyly.visible_owners', true), '')")
        assert left.scalar() == ""
