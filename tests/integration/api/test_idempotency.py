"""Repeating a POST: the same bytes, one effect; another request or a running one is refused."""

import asyncio

import httpx
import pytest

from api.dependencies import idempotency
from bevyly.ids import new_id
from tests.integration.api.conftest import Api

ACCOUNTS = "/api/v1/accounts"


def key(value: str) -> dict[str, str]:
    return {"idempotency-key": value}


async def test_the_same_request_gets_the_same_bytes_and_one_effect(api: Api) -> None:
    async with api.client(api.a) as client:
        first = await client.post(ACCOUNTS, json={"name": "Acme"}, headers=key("k1"))
        second = await client.post(ACCOUNTS, json={"name": "Acme"}, headers=key("k1"))
        other = await client.post(ACCOUNTS, json={"name": "Acme 2"}, headers=key("k1"))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert {n: second.headers[n] for n in ("etag", "location", "content-type")} == {
        n: first.headers[n] for n in ("etag", "location", "content-type")
    }
    assert second.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(api.rows("accounts")) == len(api.events()) == len(api.rows("audit")) == 1


async def test_another_user_with_the_same_key_is_another_request(api: Api) -> None:
    for role, status in (("owner", 201), ("member", 422)):
        async with api.client(api.a, role) as client:
            answer = await client.post(ACCOUNTS, json={"name": "Acme"}, headers=key("k1"))
            assert answer.status_code == status


async def test_after_an_error_the_key_is_free(api: Api) -> None:
    async with api.client(api.a) as client:
        bad = await client.post(ACCOUNTS, json={"name": ""}, headers=key("k1"))
        good = await client.post(ACCOUNTS, json={"name": "Acme"}, headers=key("k1"))
    assert (bad.status_code, good.status_code) == (422, 201)


async def test_while_the_first_runs_the_second_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    keep = idempotency.Repeatable.keep

    async def slow(self: idempotency.Repeatable, *arguments: object) -> None:
        entered.set()
        await go_on.wait()
        await keep(self, *arguments)

    monkeypatch.setattr(idempotency.Repeatable, "keep", slow)
    async with api.client(api.a) as client:
        running = asyncio.create_task(client.post(ACCOUNTS, json={"name": "Acme"}, headers=key("k1")))
        await entered.wait()
        refused = await client.post(ACCOUNTS, json={"name": "Acme"}, headers=key("k1"))
        go_on.set()
        assert (await running).status_code == 201
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_in_use")
    assert len(api.rows("accounts")) == 1


async def test_sixteen_at_once_have_one_effect(api: Api) -> None:
    async with api.client(api.a, patient=True) as client:
        answers = await asyncio.gather(
            *(client.post(ACCOUNTS, json={"name": "Acme"}, headers=key("race")) for _ in range(16))
        )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert len(api.rows("accounts")) == len(api.events()) == 1


@pytest.mark.parametrize("bad", ["", "a b", "x" * 256, "ä"])
async def test_a_key_is_visible_ascii(api: Api, bad: str) -> None:
    async with api.client(api.a) as client:
        answer = await client.post(ACCOUNTS, json={"name": "x"}, headers=[("idempotency-key", bad.encode())])
    assert answer.status_code == 422


async def test_signing_up_again_gives_the_same_tenant(api: Api) -> None:
    email = f"{new_id()}@example.com"
    body = {"company": "Acme", "email": email, "password": "correct horse battery"}
    name = f"k{new_id()}"
    async with api.client(patient=True) as client:

        async def sign_up(**changed: str) -> httpx.Response:
            return await client.post("/api/v1/auth/sign-up", json=body | changed, headers=key(name))

        answers = await asyncio.gather(*(sign_up() for _ in range(4)))
        again = await sign_up()
        assert {one.status_code for one in answers} <= {201, 409}
        assert {one.content for one in answers if one.status_code == 201} == {again.content}
        assert again.headers["idempotency-replayed"] == "true"
        other = await sign_up(company="Other")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        assert (await sign_up(email=f"x{email}")).status_code == 201, "somebody else's key is another key"
    assert api.sql("select count(*) from users where email = %s", email) == [(1,)]
    kept = api.sql("select response_body from idempotency_records where key = %s", name)
    assert all(again.json()["access_token"].encode() not in row[0] for row in kept), "kept sealed"
