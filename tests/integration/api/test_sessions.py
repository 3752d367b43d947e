"""Sessions and signing keys: where one is logged in, ending that, and secrets that are exchanged while tokens live."""

from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest

from api.dependencies.principal import RECHECK_AFTER
from api.dependencies.tokens import AccessTokens, key_id
from bevyly.clock import FixedClock
from bevyly.errors import MissingDependency
from bevyly.ids import new_id
from bevyly.settings import Settings
from tests.integration.api.conftest import SECRET, running
from tests.integration.api.test_identity import ME, PASSWORD, bearer, sign_up
from tests.support.databases import Database

SESSIONS = "/api/v1/auth/sessions"
NEXT = "the next secret, which is longer than 32 characters"


async def test_a_secret_is_rotated_while_tokens_live(database: Database, redis_url: str) -> None:
    clock = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
    rotated = {"jwt_secret": NEXT, "jwt_secrets_old": f" {SECRET} ,"}
    async with running(database, redis_url, clock=clock) as api, api.client() as client:
        old = (await sign_up(client, "ann@example.com"))["access_token"]
    async with running(database, redis_url, clock=clock, **rotated) as api, api.client() as client:
        assert (await client.get(ME, headers=bearer(old))).status_code == 200
        new = api.token(api.a)
        assert jwt.get_unverified_header(new)["kid"] == key_id(NEXT) != jwt.get_unverified_header(old)["kid"]
        assert (await client.get(ME, headers=bearer(new))).status_code == 200
        clock.instant += timedelta(seconds=901)
        assert (await client.get(ME, headers=bearer(old))).status_code == 401, "the old secret prolongs nothing"
    clock.instant -= timedelta(seconds=901)
    async with running(database, redis_url, clock=clock, jwt_secret=NEXT) as api, api.client() as client:
        assert (await client.get(ME, headers=bearer(old))).status_code == 401, "the control: once it is gone, it is"


def test_an_old_secret_does_not_sign() -> None:
    clock = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
    tokens = AccessTokens([NEXT, SECRET], expires_in=900, clock=clock)
    claims = {"customer_id": new_id(), "user_id": new_id(), "email": "x", "role": "owner", "token_version": 1}
    token = tokens.issue(**claims)
    assert AccessTokens([SECRET], expires_in=900, clock=clock).verify(token) is None
    assert AccessTokens([NEXT], expires_in=900, clock=clock).verify(token) is not None


def test_a_short_old_secret_is_refused() -> None:
    with pytest.raises(MissingDependency, match=r"^One of JWT_SECRETS_OLD is shorter"):
        Settings(jwt_secret=SECRET, jwt_secrets_old=f"{NEXT},short").require_jwt_secrets()


async def log_in(client: httpx.AsyncClient, email: str, agent: str) -> dict[str, str]:
    body = {"email": email, "password": PASSWORD}
    answer = await client.post("/api/v1/auth/log-in", json=body, headers={"user-agent": agent})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


async def test_sessions_are_seen_and_ended(database: Database, redis_url: str) -> None:
    clock = FixedClock(datetime.now(UTC))
    async with running(database, redis_url, clock=clock) as api, api.client() as client:
        phone = await sign_up(client, "ann@example.com")
        clock.instant += timedelta(minutes=5)
        laptop = await log_in(client, "ann@example.com", "Lap\ttop " + "x" * 300)
        clock.instant += timedelta(minutes=5)
        again = await client.post("/api/v1/auth/refresh", json={"refresh_token": phone["refresh_token"]})
        phone = again.json()
        assert again.status_code == 200

        listed = (await client.get(SESSIONS, headers=bearer(laptop["access_token"]))).json()["data"]
        assert [one["current"] for one in listed] == [True, False]
        assert listed[0]["user_agent"] == "Laptop " + "x" * 248
        assert listed[0]["address"] == "127.0.0.1"
        assert listed[1]["last_used_at"] > listed[0]["last_used_at"] > listed[1]["created_at"]
        paged = await client.get(SESSIONS, params={"limit": 1}, headers=bearer(laptop["access_token"]))
        rest = {"limit": 1, "cursor": paged.json()["page"]["next_cursor"]}
        paged = await client.get(SESSIONS, params=rest, headers=bearer(laptop["access_token"]))
        assert [one["id"] for one in paged.json()["data"]] == [listed[1]["id"]]

        # nobody else ends it, also not the owner of another tenant
        async with api.client(api.a) as other:
            assert (await other.delete(f"{SESSIONS}/{listed[1]['id']}")).status_code == 404
        assert (await client.get(ME, headers=bearer(phone["access_token"]))).status_code == 200
        ended = await client.delete(f"{SESSIONS}/{listed[1]['id']}", headers=bearer(laptop["access_token"]))
        assert ended.status_code == 204
        clock.instant += RECHECK_AFTER
        assert (await client.get(ME, headers=bearer(phone["access_token"]))).status_code == 401
        dead = await client.post("/api/v1/auth/refresh", json={"refresh_token": phone["refresh_token"]})
        assert dead.status_code == 401
        left = (await client.get(SESSIONS, headers=bearer(laptop["access_token"]))).json()["data"]
        assert [one["id"] for one in left] == [listed[0]["id"]]
        twice = await client.delete(f"{SESSIONS}/{listed[1]['id']}", headers=bearer(laptop["access_token"]))
        assert twice.status_code == 404


async def test_logging_out_without_a_token_ends_the_session_that_asks(database: Database, redis_url: str) -> None:
    clock = FixedClock(datetime.now(UTC))
    async with running(database, redis_url, clock=clock) as api, api.client() as client:
        one, other = await sign_up(client, "ann@example.com"), await log_in(client, "ann@example.com", "other")
        out = await client.post("/api/v1/auth/log-out", json={}, headers=bearer(one["access_token"]))
        assert out.status_code == 204
        clock.instant += RECHECK_AFTER
        statuses = [(await client.get(ME, headers=bearer(t["access_token"]))).status_code for t in (one, other)]
        assert statuses == [401, 200]


async def test_a_used_refresh_token_ends_access_too(database: Database, redis_url: str) -> None:
    clock = FixedClock(datetime.now(UTC))
    async with running(database, redis_url, clock=clock) as api, api.client() as client:
        first = await sign_up(client, "ann@example.com")
        body = {"refresh_token": first["refresh_token"]}
        second = (await client.post("/api/v1/auth/refresh", json=body)).json()
        assert (await client.get(ME, headers=bearer(second["access_token"]))).status_code == 200
        clock.instant += timedelta(seconds=20)
        assert (await client.post("/api/v1/auth/refresh", json=body)).status_code == 401
        assert (await client.get(ME, headers=bearer(second["access_token"]))).status_code == 401
