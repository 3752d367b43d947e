"""Invitations: a link that works once and for seven days, and gives no more than whoever invites has."""

import asyncio
from typing import Any

from api.modules.invitations.service import LIVES, PAUSE
from bevyly.clock import FixedClock
from bevyly.encryption import Vault
from bevyly.ids import new_id
from bevyly.mail.queue import opened
from tests.integration.api.conftest import Api, running
from tests.integration.api.seeds import NOW
from tests.support.databases import Database

INVITATIONS = "/api/v1/invitations"
PASSWORD = "harbour violet staple nine"


def tokens(api: Api, email: str) -> list[str]:
    """Tokens of the mails to an address, oldest first."""
    vault = Vault.of(api.app.state.resources.settings)
    rows = api.sql("select body from mails where recipient = %s and kind = 'invitation' order by id", email)
    return [opened(email, row[0], vault).text.partition("#token=")[2].split()[0] for row in rows]


def address() -> str:
    return f"{new_id()}@example.com"


async def accept(client: Any, token: str, **more: Any) -> Any:
    return await client.post(f"{INVITATIONS}/accept", json={"token": token, "password": PASSWORD} | more)


async def test_somebody_comes_by_an_invitation_and_logs_in(api: Api) -> None:
    email = address()
    async with api.client(api.a) as owner, api.client() as guest:
        team = (await owner.post("/api/v1/teams", json={"name": "North"})).json()["id"]
        body = {"email": email.upper(), "role": "admin", "team_id": team}
        made = await owner.post(INVITATIONS, json=body)
        assert (made.status_code, made.json()["email"]) == (201, email)
        (token,) = tokens(api, email)
        assert token not in made.text
        answer = await accept(guest, token, name="Kim")
        assert answer.status_code == 201, answer.text
        user = answer.json()["user_id"]
        login = await guest.post("/api/v1/auth/log-in", json={"email": email, "password": PASSWORD})
        assert login.status_code == 200
        one = (await owner.get(f"/api/v1/users/{user}")).json()
        assert (one["role"], one["name"], one["teams"]) == ("admin", "Kim", [{"team_id": team, "lead": False}])
        assert (await accept(guest, token)).status_code == 404, "it works once"
    told = api.events()[-1]
    assert (told.type, told.sequence, told.data["email"]) == ("user.created", 1, email)
    audit = api.sql(
        "select action, actor_id, before, after from audit where customer_id = %s and actor_id = %s "
        "and request_id = %s order by action",
        api.a.customer_id,
        user,
        answer.headers["x-request-id"],
    )
    assert audit == [
        ("invitation.accepted", user, {"accepted_at": None}, {"user_id": user}),
        ("user.created", user, None, {"name": "Kim", "role": "admin"}),
    ]
    assert api.sql("select count(*) from invitations where token_hash = %s", token) == [(0,)], "only its hash is kept"


async def test_who_was_known_without_a_password_joins_as_who_they_are(api: Api) -> None:
    email = address()
    known = api.database.add_user(api.a.customer_id, email, role="viewer")
    async with api.client(api.a) as owner, api.client() as guest:
        await owner.post(INVITATIONS, json={"email": email, "role": "member"})
        answer = await accept(guest, tokens(api, email)[0])
        assert (answer.json()["user_id"], answer.json()["role"]) == (known, "member")
        again = await owner.post(INVITATIONS, json={"email": email, "role": "member"})
        assert (again.status_code, again.json()["code"]) == (409, "already_a_user")
    told = api.events()[-1]
    assert (told.type, told.sequence, told.data["after"]["role"]) == ("user.updated", 2, "member")


async def test_of_many_who_accept_at_once_one_comes_in(api: Api) -> None:
    email = address()
    async with api.client(api.a, patient=True) as owner, api.client(patient=True) as guest:
        await owner.post(INVITATIONS, json={"email": email, "role": "member"})
        (token,) = tokens(api, email)
        answers = await asyncio.gather(*(accept(guest, token) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [404] * 5
    assert len(api.sql("select id from users where email = %s", email)) == 1


async def test_tokens_end_and_all_that_do_not_work_look_alike(database: Database, redis_url: str) -> None:
    clock = FixedClock(NOW)
    async with running(database, redis_url, clock=clock) as api:
        made, ended = {}, []
        async with api.client(api.a) as owner, api.client() as guest:
            for name in ("sent again", "revoked", "expired"):
                email = address()
                answer = await owner.post(INVITATIONS, json={"email": email, "role": "member"})
                made[name] = (email, answer.json()["id"])
            email, one = made["sent again"]
            soon = await owner.post(f"{INVITATIONS}/{one}/resend")
            assert (soon.status_code, soon.json()["code"]) == (409, "sent_recently")
            clock.instant = NOW + PAUSE
            assert (await owner.post(f"{INVITATIONS}/{one}/resend")).status_code == 200
            first, second = tokens(api, email)
            ended.append(first)
            assert (await owner.delete(f"{INVITATIONS}/{made['revoked'][1]}")).status_code == 204
            assert (await owner.delete(f"{INVITATIONS}/{made['revoked'][1]}")).status_code == 409
            ended += [tokens(api, made["revoked"][0])[0], tokens(api, made["expired"][0])[0], "x", first[:-1] + "0"]
            clock.instant = NOW + LIVES
            answers = [await accept(guest, token) for token in ended]
            assert {answer.status_code for answer in answers} == {404}
            assert len({(answer.json()["code"], answer.json()["detail"]) for answer in answers}) == 1
            assert (await accept(guest, second)).status_code == 201, "the control: sent a minute later, it lives on"


async def test_nobody_invites_above_their_own_role(api: Api) -> None:
    async with api.client(api.a, "admin") as admin, api.client(api.a) as owner:
        refused = await admin.post(INVITATIONS, json={"email": address(), "role": "owner"})
        assert (refused.status_code, refused.json()["code"]) == (403, "above_own_role")
        made = (await owner.post(INVITATIONS, json={"email": address(), "role": "owner"})).json()
        for answer in (
            await admin.delete(f"{INVITATIONS}/{made['id']}"),
            await admin.post(f"{INVITATIONS}/{made['id']}/resend"),
        ):
            assert answer.status_code == 403
        twice = await owner.post(INVITATIONS, json={"email": made["email"], "role": "viewer"})
        foreign = await owner.post(INVITATIONS, json={"email": address(), "role": "viewer", "team_id": new_id()})
        assert (twice.status_code, foreign.status_code) == (409, 404)
        pending = (await owner.get(INVITATIONS, params={"pending": "true"})).json()["data"]
        assert [row["id"] for row in pending] == [made["id"]]
