"""Who may come in: log-in, tokens, refresh, API keys, and everything that must not."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from api.dependencies.principal import RECHECK_AFTER
from api.dependencies.rate_limit import RateLimits, Rule
from api.dependencies.tokens import key_id
from bevyly.clock import FixedClock
from bevyly.db.engine import make_engine
from bevyly.identity import keys
from bevyly.identity.keys import create_api_key
from bevyly.ids import new_id
from tests.integration.api.conftest import SECRET, Api, Tenant, running
from tests.support.databases import Database

ME = "/api/v1/auth/me"
PASSWORD = "correct horse battery"


async def sign_up(client: httpx.AsyncClient, email: str) -> dict[str, Any]:
    body = {"company": "Acme", "name": "Ann", "email": email, "password": PASSWORD}
    answer = await client.post("/api/v1/auth/sign-up", json=body)
    assert answer.status_code == 201, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_sign_up_log_in_and_log_out(api: Api) -> None:
    email = f"{new_id()}@example.com"
    async with api.client() as client:
        tokens = await sign_up(client, email.upper())
        claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
        assert {"sub", "cid", "email", "role", "permissions", "exp", "iat"} <= claims.keys()
        me = (await client.get(ME, headers=bearer(tokens["access_token"]))).json()
        assert (me["role"], me["email"], me["customer"]) == ("owner", email, "Acme")

        again = await client.post("/api/v1/auth/log-in", json={"email": email, "password": PASSWORD})
        assert again.status_code == 200
        second = again.json()
        out = await client.post(
            "/api/v1/auth/log-out",
            json={"refresh_token": second["refresh_token"]},
            headers=bearer(second["access_token"]),
        )
        assert out.status_code == 204
        refused = await client.post("/api/v1/auth/refresh", json={"refresh_token": second["refresh_token"]})
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_refresh_token")
        kept = await client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert kept.status_code == 200


async def test_a_wrong_password_and_an_unknown_email_look_the_same(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    email = f"{new_id()}@example.com"
    verified: list[str] = []
    async with api.client() as client:
        await sign_up(client, email)
        passwords = api.app.state.resources.passwords
        real = passwords.matches
        monkeypatch.setattr(passwords, "matches", lambda kept, given: (verified.append(kept), real(kept, given))[1])
        answers = [
            await client.post("/api/v1/auth/log-in", json={"email": who, "password": "not it, sorry"})
            for who in (email, f"{new_id()}@example.com")
        ]
    bodies = [{k: v for k, v in answer.json().items() if k != "request_id"} for answer in answers]
    assert bodies[0] == bodies[1]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert len(verified) == 2, "each attempt costs one verification, with or without a user"


def forged(api: Api, kind: str) -> str:
    good = api.token(api.a)
    head, body, signature = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    header = {"kid": key_id(SECRET)}

    def sign(values: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256", **more: str) -> str:
        return jwt.encode(values, secret, algorithm=algorithm, headers=header | more)

    now = int(datetime.now(UTC).timestamp())
    tampered = base64.urlsafe_b64encode(json.dumps(claims | {"cid": api.b.customer_id}).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"%s"}' % key_id(SECRET).encode()).decode().rstrip("=")
    return {
        "alg none": f"{none}.{body}.",
        "alg none, signed": f"{none}.{body}.{signature}",
        "wrong key": sign(claims, "another secret that is longer than 32 characters"),
        "other algorithm": sign(claims, SECRET * 2, "HS512"),
        "unknown kid": sign(claims, kid="../../etc/passwd"),
        "sql in kid": sign(claims, kid="' or 1=1 --"),
        "no kid": jwt.encode(claims, SECRET, algorithm="HS256"),
        "expired": sign(claims | {"exp": now - 1}),
        "issued tomorrow": sign(claims | {"iat": now + 86_400, "exp": now + 90_000}),
        "not before tomorrow": sign(claims | {"nbf": now + 86_400}),
        "no expiry": sign({k: v for k, v in claims.items() if k != "exp"}),
        "expiry as text": sign(claims | {"exp": "9999999999"}),
        "huge expiry": sign(claims | {"exp": 2**70}),
        "other issuer": sign(claims | {"iss": "evil"}),
        "other tenant, tampered": f"{head}.{tampered}.{signature}",
        "other tenant, signed": sign(claims | {"cid": api.b.customer_id}),
        "old version": sign(claims | {"ver": 0}),
        "cut": good[:-4],
        "eight kilobytes": good + "a" * 8192,
        "nothing": "",
        "not ascii": "ä.ö.ü",
        "refresh token": keys.mint(keys.REFRESH, api.a.customer_id).text,
        "unknown api key": keys.mint(keys.LIVE, api.a.customer_id).text,
        "mistyped api key": keys.mint(keys.LIVE, api.a.customer_id).text[:-1] + "!",
    }[kind]


FORGERIES = [
    "alg none", "alg none, signed", "wrong key", "other algorithm", "unknown kid", "sql in kid", "no kid", "expired",
    "issued tomorrow", "not before tomorrow", "no expiry", "expiry as text", "huge expiry", "other issuer",
    "other tenant, tampered", "other tenant, signed", "old version", "cut", "eight kilobytes", "nothing", "not ascii",
    "refresh token", "unknown api key", "mistyped api key",
]  # fmt: skip


async def test_no_forged_token_gets_in_and_all_get_the_same_answer(api: Api) -> None:
    async with api.client() as client:
        assert (await client.get(ME, headers=bearer(api.token(api.a)))).status_code == 200
        bodies = set()
        for kind in FORGERIES:
            answer = await client.get(ME, headers={"authorization": f"Bearer {forged(api, kind)}".encode()})
            assert answer.status_code == 401, kind
            assert answer.headers["www-authenticate"] == "Bearer"
            bodies.add(json.dumps({k: v for k, v in answer.json().items() if k != "request_id"}))
        assert len(bodies) == 1


async def test_a_used_refresh_token_revokes_its_family(database: Database, redis_url: str) -> None:
    clock = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
    async with running(database, redis_url, clock=clock) as api, api.client() as client:
        first = (await sign_up(client, "ann@example.com"))["refresh_token"]
        second = (await client.post("/api/v1/auth/refresh", json={"refresh_token": first})).json()["refresh_token"]

        clock.instant += timedelta(seconds=5)
        race = await client.post("/api/v1/auth/refresh", json={"refresh_token": first})
        assert (race.status_code, race.json()["code"]) == (409, "refresh_race")
        third = (await client.post("/api/v1/auth/refresh", json={"refresh_token": second})).json()["refresh_token"]

        clock.instant += timedelta(seconds=11)
        reuse = await client.post("/api/v1/auth/refresh", json={"refresh_token": first})
        assert (reuse.status_code, reuse.json()["code"]) == (401, "invalid_refresh_token")
        dead = await client.post("/api/v1/auth/refresh", json={"refresh_token": third})
        assert dead.status_code == 401, "the whole family ends"
        assert api.sql("select count(*) from audit where action = 'refresh_token.reused'") == [(1,)]
        assert api.sql("select count(*) from refresh_tokens where revoked_at is null") == [(0,)]


async def test_of_many_refreshes_at_once_one_wins(api: Api) -> None:
    async with api.client(patient=True) as client:
        token = (await sign_up(client, f"{new_id()}@example.com"))["refresh_token"]
        answers = await asyncio.gather(
            *(client.post("/api/v1/auth/refresh", json={"refresh_token": token}) for _ in range(16))
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 15


async def test_a_lost_role_counts_soon(database: Database, redis_url: str) -> None:
    clock = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
    assert timedelta(seconds=30) >= RECHECK_AFTER
    async with running(database, redis_url, clock=clock) as api, api.client(api.a, "admin") as client:

        async def create() -> int:
            return (await client.post("/api/v1/accounts", json={"name": "Acme"})).status_code

        assert await create() == 201
        api.sql("update users set role = 'viewer' where id = %s", api.a.users["admin"])
        clock.instant += RECHECK_AFTER
        assert await create() == 403
        api.sql("update users set disabled_at = now() where id = %s", api.a.users["admin"])
        clock.instant += RECHECK_AFTER
        assert await create() == 401


async def test_logging_out_everywhere_ends_access_tokens(database: Database, redis_url: str) -> None:
    clock = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
    async with running(database, redis_url, clock=clock) as api, api.client(api.a) as client:
        assert (await client.post("/api/v1/auth/log-out", json={"everywhere": True})).status_code == 204
        clock.instant += RECHECK_AFTER
        assert (await client.get(ME)).status_code == 401


async def make_key(api: Api, tenant: Tenant, role: str, scopes: list[str], **more: Any) -> httpx.Response:
    async with api.client(tenant, role) as client:
        return await client.post("/api/v1/api-keys", json={"name": "robot", "scopes": scopes, **more})


async def test_a_key_is_shown_once_and_reaches_as_far_as_its_scopes(api: Api) -> None:
    made = await make_key(api, api.a, "member", ["accounts:read", "api_keys:write"])
    assert made.status_code == 201, made.text
    text, key = made.json()["key"], made.json()["id"]
    assert text.startswith("bvy_live_")
    kept = api.sql("select secret_hash, prefix, last_used_at from api_keys where id = %s", key)
    assert kept[0][0] == keys.hash_of(text)
    assert kept[0][2] is None
    async with api.client() as client:
        for headers in ({"x-api-key": text}, bearer(text)):
            assert (await client.get("/api/v1/accounts", headers=headers)).status_code == 200
            assert (await client.get("/api/v1/leads", headers=headers)).status_code == 403
        wider = await client.post(
            "/api/v1/api-keys", json={"name": "x", "scopes": ["leads:read"]}, headers=bearer(text)
        )
        assert wider.status_code == 403, "a key cannot make a wider key"
        assert api.sql("select last_used_at is not null from api_keys where id = %s", key) == [(True,)]
    async with api.client(api.a, "member") as client:
        listed = await client.get("/api/v1/api-keys")
        assert text not in listed.text
        assert keys.hash_of(text) not in listed.text
        assert [row["id"] for row in listed.json()["data"]] == [key]
        assert (await client.delete(f"/api/v1/api-keys/{key}")).status_code == 204
    assert text not in json.dumps(api.rows("audit"), default=str)


async def test_a_key_is_never_wider_than_its_creator(api: Api) -> None:
    assert (await make_key(api, api.a, "member", ["accounts:delete"])).status_code == 403
    assert (await make_key(api, api.a, "owner", ["accounts:fly"])).status_code == 422
    assert (await make_key(api, api.a, "viewer", ["accounts:read"])).status_code == 403


async def test_nobody_ends_the_key_of_another(api: Api) -> None:
    key = (await make_key(api, api.a, "owner", ["accounts:read"])).json()["id"]
    async with api.client(api.a, "member") as client:
        assert (await client.get("/api/v1/api-keys")).json()["data"] == []
        assert (await client.delete(f"/api/v1/api-keys/{key}")).status_code == 404
    async with api.client(api.a, "admin") as client:
        assert (await client.delete(f"/api/v1/api-keys/{key}")).status_code == 204


async def test_revoked_and_expired_keys_end(database: Database, redis_url: str) -> None:
    clock = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
    async with running(database, redis_url, clock=clock) as api, api.client() as client:
        engine = make_engine(database.app_url, pool_size=1)
        owner = api.a.users["owner"]
        soon = clock.instant + timedelta(seconds=5)
        lasting = create_api_key(engine, api.a.customer_id, owner, "lasting", ["accounts:read"])
        expiring = create_api_key(engine, api.a.customer_id, owner, "expiring", ["accounts:read"], expires_at=soon)
        engine.dispose()

        async def status(key: str) -> int:
            return (await client.get("/api/v1/accounts", headers={"x-api-key": key})).status_code

        assert [await status(lasting), await status(expiring)] == [200, 200]
        clock.instant = soon
        assert [await status(lasting), await status(expiring)] == [200, 401]
        api.sql("update api_keys set revoked_at = now() where name = 'lasting'")
        clock.instant += RECHECK_AFTER
        assert await status(lasting) == 401


async def test_too_many_attempts_are_refused_and_without_redis_nobody_logs_in(
    database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = new_id()
    limits = RateLimits(
        reads=Rule(f"r{name}", limit=5),
        authentication=Rule(f"a{name}", limit=3, closed_without_redis=True),
    )
    body = {"email": "ann@example.com", "password": "x"}
    async with running(database, redis_url, limits=limits) as api, api.client(api.a) as client:
        reads = [(await client.get(ME)) for _ in range(7)]
        assert [answer.status_code for answer in reads] == [200] * 5 + [429] * 2
        assert [answer.headers["ratelimit"].split(";")[1] for answer in reads[:5]] == [
            "r=4",
            "r=3",
            "r=2",
            "r=1",
            "r=0",
        ]
        assert 1 <= int(reads[-1].headers["retry-after"]) <= 64
        logins = await asyncio.gather(*(client.post("/api/v1/auth/log-in", json=body) for _ in range(8)))
        assert sorted(answer.status_code for answer in logins) == [401] * 3 + [429] * 5

        async def away(**_: object) -> None:
            raise ConnectionError("gone")

        monkeypatch.setattr(api.app.state.resources.limiter, "_script", away)
        assert (await client.get(ME)).status_code == 200, "reads go on, uncounted"
        closed = await client.post("/api/v1/auth/log-in", json=body)
        assert (closed.status_code, closed.json()["code"]) == (503, "unavailable")


async def test_a_key_is_rotated_and_the_old_one_goes_on_for_a_while(database: Database, redis_url: str) -> None:
    clock = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
    async with running(database, redis_url, clock=clock) as api:
        end = (clock.instant + timedelta(days=30)).isoformat()
        old = (await make_key(api, api.a, "admin", ["accounts:read", "accounts:delete"], expires_at=end)).json()
        clock.instant += timedelta(days=10)

        async def status(key: str) -> int:
            async with api.client() as client:
                return (await client.get("/api/v1/accounts", headers={"x-api-key": key})).status_code

        rotate = f"/api/v1/api-keys/{old['id']}/rotate"
        async with api.client(api.a, "owner") as other:
            assert (await other.post(rotate, json={})).status_code == 404, "not even owners get hold of another's key"
        api.sql("update users set role = 'member' where id = %s", api.a.users["admin"])
        async with api.client(api.a, "admin") as client:
            answer = await client.post(rotate, json={"overlap_hours": 2})
            new = answer.json()
            assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
            assert new["scopes"] == ["accounts:read"], "what the user lost, the new key does not get"
            assert datetime.fromisoformat(new["expires_at"]) == clock.instant + timedelta(days=30)
            again = await client.post(rotate, json={})
            assert (again.status_code, again.json()["code"]) == (409, "key_ended")
            listed = {one["id"]: one for one in (await client.get("/api/v1/api-keys")).json()["data"]}
            assert listed[old["id"]]["rotated_to"] == new["id"]
            assert [await status(old["key"]), await status(new["key"])] == [200, 200]
            clock.instant += timedelta(hours=2)
            assert [await status(old["key"]), await status(new["key"])] == [401, 200]
        async with api.client(api.a, "admin") as client:
            at_once = await client.post(f"/api/v1/api-keys/{new['id']}/rotate", json={"overlap_hours": 0})
            clock.instant += RECHECK_AFTER
            assert [await status(new["key"]), await status(at_once.json()["key"])] == [401, 200]
        assert [event.type for event in api.events()].count("api_key.revoked") == 1


async def test_a_narrow_key_cannot_get_hold_of_a_wider_one(api: Api) -> None:
    narrow = (await make_key(api, api.a, "owner", ["api_keys:write"])).json()["key"]
    wide = (await make_key(api, api.a, "owner", ["accounts:delete", "api_keys:write"])).json()
    async with api.client(**{"x-api-key": narrow}) as client:
        refused = await client.post(f"/api/v1/api-keys/{wide['id']}/rotate", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    async with api.client(**{"x-api-key": wide["key"]}) as client:
        assert (await client.post(f"/api/v1/api-keys/{wide['id']}/rotate", json={})).status_code == 201, "the control"


async def test_a_key_shrinks_with_its_user(database: Database, redis_url: str) -> None:
    clock = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
    async with running(database, redis_url, clock=clock) as api:
        key = (await make_key(api, api.a, "admin", ["accounts:write"])).json()["key"]
        async with api.client(**{"x-api-key": key}) as client:
            assert (await client.post("/api/v1/accounts", json={"name": "x"})).status_code == 201
            api.sql("update users set role = 'viewer' where id = %s", api.a.users["admin"])
            clock.instant += RECHECK_AFTER
            assert (await client.post("/api/v1/accounts", json={"name": "x"})).status_code == 403
