"""Users and teams: who may change whom, what ends with a role, who is left, what changes hands."""

import asyncio

import pytest

from api.dependencies.principal import RECHECK_AFTER
from api.modules.users import transfer
from bevyly.clock import FixedClock
from bevyly.db.engine import make_engine
from bevyly.identity.keys import create_api_key
from bevyly.ids import new_id
from tests.integration.api.conftest import Api, running
from tests.integration.api.seeds import NOW
from tests.support.databases import Database

USERS = "/api/v1/users"


async def test_nobody_grants_more_than_they_have_nor_touches_who_has_more(api: Api) -> None:
    second = api.database.add_user(api.a.customer_id, f"second@{api.a.customer_id}.example", role="owner")
    async with api.client(api.a, "admin") as admin:
        for target, role in (("member", "owner"), ("viewer", "owner"), ("owner", "member"), ("admin", "owner")):
            answer = await admin.patch(f"{USERS}/{api.a.users[target]}", json={"role": role})
            assert (answer.status_code, answer.json()["code"]) == (403, "above_own_role"), (target, role)
        for path in (f"{second}/disable", f"{second}/enable"):
            answer = await admin.post(f"{USERS}/{path}", json={})
            assert (answer.status_code, answer.json()["code"]) == (403, "above_own_role")
        answer = await admin.patch(f"{USERS}/{api.a.users['viewer']}", json={"role": "admin"})
        assert (answer.status_code, answer.json()["role"]) == (200, "admin")
    async with api.client(api.a) as owner:
        answer = await owner.patch(f"{USERS}/{api.a.users['member']}", json={"role": "owner"})
        assert (answer.status_code, answer.json()["role"]) == (200, "owner")


async def test_the_last_owner_stays(api: Api) -> None:
    owner = api.a.users["owner"]
    gone = api.database.add_user(api.a.customer_id, f"gone@{api.a.customer_id}.example", role="owner")
    async with api.client(api.a) as client:
        assert (await client.post(f"{USERS}/{gone}/disable", json={})).status_code == 200
        for answer in (
            await client.patch(f"{USERS}/{owner}", json={"role": "admin"}),
            await client.post(f"{USERS}/{owner}/disable", json={}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "last_owner"), "a disabled owner does not count"


async def test_of_owners_who_demote_each_other_one_remains(api: Api) -> None:
    for _ in range(3):
        pair = [
            api.database.add_user(api.b.customer_id, f"{new_id()}@b.example", role="owner"),
            api.b.users["owner"],
        ]
        async with api.client(api.b, patient=True) as client:
            calls = [client.patch(f"{USERS}/{pair[n % 2]}", json={"role": "member"}) for n in range(6)]
            statuses = [answer.status_code for answer in await asyncio.gather(*calls)]
            assert 409 in statuses
        left = api.sql("select id from users where customer_id = %s and role = 'owner'", api.b.customer_id)
        assert len(left) == 1
        # the next round starts with the owner whose token the client uses
        api.sql("update users set role = 'owner', token_version = 1 where id = %s", api.b.users["owner"])
        api.sql("update users set role = 'member' where id = %s", pair[0])


@pytest.mark.parametrize("how", ["role", "disable"])
async def test_living_tokens_and_keys_end_within_half_a_minute(database: Database, redis_url: str, how: str) -> None:
    clock = FixedClock(NOW)
    async with running(database, redis_url, clock=clock) as api:
        member = api.a.users["member"]
        engine = make_engine(database.app_url, pool_size=1)
        key = create_api_key(engine, api.a.customer_id, member, "k", ["accounts:write"])
        engine.dispose()
        credentials = [{"authorization": f"Bearer {api.token(api.a, 'member')}"}, {"x-api-key": key}]
        async with api.client() as client, api.client(api.a) as owner:
            for headers in credentials:
                made = await client.post("/api/v1/accounts", json={"name": "x"}, headers=headers)
                assert made.status_code == 201
            if how == "role":
                answer = await owner.patch(f"{USERS}/{member}", json={"role": "viewer"})
            else:
                answer = await owner.post(f"{USERS}/{member}/disable", json={})
            assert answer.status_code == 200
            clock.instant = NOW + RECHECK_AFTER
            after = [
                (await client.post("/api/v1/accounts", json={"name": "x"}, headers=headers)).status_code
                for headers in credentials
            ]
    assert RECHECK_AFTER.total_seconds() <= 30
    assert after == ([401, 403] if how == "role" else [401, 401])


async def test_records_change_hands_in_bounded_sets(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_MOVED", 3)
    member, viewer = api.a.users["member"], api.a.users["viewer"]
    async with api.client(api.a, "member") as client:
        account = (await client.post("/api/v1/accounts", json={"name": "Acme"})).json()["id"]
        for n in range(2):
            await client.post("/api/v1/leads", json={"company_name": f"L{n}"})
            await client.post("/api/v1/opportunities", json={"name": f"D{n}", "account_id": account})
        await client.post("/api/v1/activities", json={"kind": "note"})
    known = len(api.events())
    async with api.client(api.a) as client:
        first = await client.post(f"{USERS}/{member}/disable", json={"transfer_to": viewer})
        assert (first.json()["moved"], first.json()["remaining"]) == (3, 2)
        for left in ((2, 0), (0, 0)):
            again = await client.post(f"{USERS}/{member}/transfer", json={"transfer_to": viewer})
            assert (again.json()["moved"], again.json()["remaining"]) == left
        refused = [
            await client.post(f"{USERS}/{viewer}/transfer", json={"transfer_to": to})
            for to in (member, viewer, new_id(), api.b.users["member"])
        ]
        assert [answer.status_code for answer in refused] == [409, 409, 404, 404]
    told = api.events()[known:]
    assert sorted(event.type for event in told) == sorted(
        ["user.disabled", "account.updated", *["opportunity.updated"] * 2, *["lead.updated"] * 2]
    )
    assert {event.sequence for event in told if event.type != "user.disabled"} == {2}
    for table in ("accounts", "opportunities", "leads"):
        owners = api.sql(f"select distinct owner_id, version from {table} where customer_id = %s", api.a.customer_id)
        assert owners == [(viewer, 2)]
    assert api.sql("select owner_id from activities where customer_id = %s", api.a.customer_id) == [(member,)]


async def test_users_are_listed_by_role_state_and_team(api: Api) -> None:
    async with api.client(api.a) as client:
        member, viewer = api.a.users["member"], api.a.users["viewer"]
        team = await client.post("/api/v1/teams", json={"name": "North", "members": [{"user_id": member}]})
        await client.post(f"{USERS}/{viewer}/disable", json={})
        for query, found in (
            ({}, set(api.a.users.values())),
            ({"role": "admin"}, {api.a.users["admin"]}),
            ({"disabled": "true"}, {viewer}),
            ({"team_id": team.json()["id"]}, {member}),
            ({"team_id": new_id()}, set()),
        ):
            answer = await client.get(USERS, params=query)
            assert {row["id"] for row in answer.json()["data"]} == found, query
        one = (await client.get(f"{USERS}/{member}")).json()
        assert (one["role"], one["teams"]) == ("member", [{"team_id": team.json()["id"], "lead": False}])
        assert "password_hash" not in one


async def test_teams_are_made_changed_and_ended(api: Api) -> None:
    member, viewer = api.a.users["member"], api.a.users["viewer"]
    async with api.client(api.a) as client:
        made = await client.post("/api/v1/teams", json={"name": "North", "members": [{"user_id": member}]})
        one = f"/api/v1/teams/{made.json()['id']}"
        same = await client.post("/api/v1/teams", json={"name": "NORTH"})
        assert (made.status_code, same.status_code) == (201, 409)
        twice = await client.patch(one, json={"members": [{"user_id": member}, {"user_id": member, "lead": True}]})
        foreign = await client.patch(one, json={"members": [{"user_id": api.b.users["member"]}]})
        assert (twice.status_code, foreign.status_code) == (422, 404)
        members = [{"user_id": member, "lead": True}, {"user_id": viewer, "lead": False}]
        changed = await client.patch(one, json={"members": members}, headers={"if-match": '"1"'})
        assert sorted(changed.json()["members"], key=str) == sorted(members, key=str)
        assert changed.headers["etag"] == '"2"'
        assert (await client.patch(one, json={"members": members[::-1]})).headers["etag"] == '"2"'
        assert (await client.delete(one, headers={"if-match": '"1"'})).status_code == 412
        assert (await client.delete(one)).status_code == 204
        assert (await client.get(one)).status_code == 404
    audit = api.sql(
        "select action, before, after from audit where customer_id = %s and entity_type = 'team' order by id",
        api.a.customer_id,
    )
    assert [row[0] for row in audit] == ["team.created", "team.updated", "team.deleted"]
    assert audit[1][1:] == ({"members": {member: False}}, {"members": {member: True, viewer: False}})
