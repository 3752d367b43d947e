"""Passwords: which are taken, how their hashes are renewed, and what guessing them costs."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from api.dependencies.throttle import Attempt, Delay, LogInDelays, Throttle, TooManyLogins
from bevyly.errors import Unavailable
from bevyly.identity.passwords import Passwords, too_easy
from bevyly.ids import new_id
from bevyly.settings import Settings
from tests.integration.api.conftest import UNLIMITED, Api, running
from tests.integration.api.test_identity import PASSWORD, sign_up
from tests.support.databases import Database

DELAYS = LogInDelays(
    pair=Delay(free=3, longest=60, kept=600),
    account=Delay(free=6, longest=8, kept=600),
    address=Delay(free=10, longest=60, kept=600),
)


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "password1234",
        "qwertyuiop12",
        "aaaaaaaaaaaa",
        "letmeinletmein",
        "acme.acme.acme",
        "1qaz2wsx3edc",
    ],
)
def test_what_is_tried_first_is_refused(password: str) -> None:
    assert too_easy(password, ("Acme", None, "ann@acme.example"))


@pytest.mark.parametrize(
    "password", [PASSWORD, "xk29fj20dkf3", "ein Löffel voll Heu im April", "0" * 12 + "kaffee Uhr Mond"]
)
def test_what_is_not_easy_is_taken(password: str) -> None:
    assert not too_easy(password, ("Acme", None, "ann@acme.example"))


async def test_sign_up_refuses_what_is_short_or_easy(api: Api) -> None:
    async with api.client() as client:
        for password, code in (("tiny fish 9", "invalid"), ("passwordpassword", "password_too_easy")):
            body = {"company": "Acme", "email": "ann@example.com", "password": password}
            answer = await client.post("/api/v1/auth/sign-up", json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, code)
            assert answer.json()["errors"][0]["field"] == "body.password"
            assert password not in answer.text


async def test_a_hash_of_other_parameters_is_renewed_at_log_in(database: Database, redis_url: str) -> None:
    kept = "select password_hash from users where email = 'ann@example.com'"
    async with running(database, redis_url) as api, api.client() as client:
        await sign_up(client, "ann@example.com")
        [(weak,)] = api.sql(kept)
    async with running(database, redis_url, argon2_passes=2) as api, api.client() as client:
        for password, status, renewed in (("wrong one", 401, False), (PASSWORD, 200, True), (PASSWORD, 200, True)):
            body = {"email": "ann@example.com", "password": password}
            assert (await client.post("/api/v1/auth/log-in", json=body)).status_code == status
            assert ("t=2" in api.sql(kept)[0][0]) == renewed
        assert "t=1" in weak


async def test_only_so_many_are_worked_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords.of(Settings(argon2_memory_kib=64, argon2_passes=1, argon2_at_once=2))
    running_now, most, gate = 0, 0, asyncio.Event()

    async def to_thread(*_: Any) -> str:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await gate.wait()
        running_now -= 1
        return ""

    monkeypatch.setattr("bevyly.identity.passwords.asyncio.to_thread", to_thread)
    tasks = [asyncio.create_task(passwords.hash("x")) for _ in range(8)]
    for _ in range(20):
        await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*tasks)
    assert most == 2


@pytest.fixture
def account() -> str:
    return f"{new_id()}@example.com"


async def guesses(throttle: Throttle, account: str, address: str, times: int) -> int:
    """How many of so many wrong guesses were let through."""
    admitted = 0
    for _ in range(times):
        try:
            await throttle.attempt(account, address)
            admitted += 1
        except TooManyLogins:
            pass
    return admitted


async def pass_time(redis: Redis, one: Attempt, seconds: float) -> None:
    """Let the waits of an account and an address be so much shorter."""
    for key in one.keys[:3]:
        until = await redis.hget(key, "until")
        if until is not None:
            await redis.hset(key, "until", f"{float(until) - seconds * 1000:.0f}")


async def test_each_further_failure_waits_twice_as_long(redis_url: str, account: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        throttle, address = Throttle(redis, DELAYS), new_id()
        assert await guesses(throttle, account, address, 10) == DELAYS.pair.free
        one, waits = Attempt(throttle, account, address), []
        for _ in range(8):
            with pytest.raises(TooManyLogins) as refused:
                await throttle.attempt(account, address)
            waits.append(refused.value.context["retry_after"])
            await pass_time(redis, one, waits[-1])
            assert await guesses(throttle, account, address, 5) == 1, "one more guess for each wait"
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_guessing_at_once_gains_nothing(redis_url: str, account: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        throttle, address = Throttle(redis, DELAYS), new_id()
        admitted = await asyncio.gather(*(guesses(throttle, account, address, 1) for _ in range(32)))
    assert sum(admitted) == DELAYS.pair.free


async def test_guessing_from_everywhere_does_not_lock_out_the_owner(redis_url: str, account: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        throttle, home = Throttle(redis, DELAYS), new_id()
        await (await throttle.attempt(account, home)).succeeded()
        spread = [await guesses(throttle, account, new_id(), 1) for _ in range(20)]
        assert sum(spread) == DELAYS.account.free, "from everywhere together no more than the account allows"
        await (await throttle.attempt(account, home)).succeeded()
        # and from a new place, once the password was set anew by mail
        away = new_id()
        await guesses(throttle, account, new_id(), 20)
        await guesses(throttle, account, new_id(), 20)
        await guesses(throttle, account, new_id(), 20)
        assert await guesses(throttle, account, away, 1) == 0
        await throttle.forget(account, away)
        assert await guesses(throttle, account, away, 1) == 1


async def test_one_address_that_tries_many_accounts_waits_also_after_its_own_log_in(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        throttle, address, own = Throttle(redis, DELAYS), new_id(), new_id()
        admitted = 0
        for number in range(30):
            admitted += await guesses(throttle, f"{number}{address}", address, 1)
            try:
                await (await throttle.attempt(own, address)).succeeded()
            except TooManyLogins:
                break
        assert admitted <= DELAYS.address.free


async def test_without_redis_nobody_logs_in() -> None:
    async with Redis.from_url("redis://127.0.0.1:1") as redis:
        with pytest.raises(Unavailable):
            await Throttle(redis, DELAYS).attempt("x", "y")


async def test_log_in_waits_after_failures_and_success_clears_them(database: Database, redis_url: str) -> None:
    email = f"{new_id()}@example.com"
    limits = replace(UNLIMITED, log_in=LogInDelays(DELAYS.pair, DELAYS.account, Delay(1_000_000, 1, 60)))
    async with running(database, redis_url, limits=limits) as api, api.client() as client:
        await sign_up(client, email)

        async def log_in(password: str) -> httpx.Response:
            return await client.post("/api/v1/auth/log-in", json={"email": email, "password": password})

        for _ in range(2):
            assert [(await log_in(password)).status_code for password in ("x", "x", PASSWORD)] == [401, 401, 200]
        statuses = [(await log_in("x")).status_code for _ in range(3)]
        refused = await log_in(PASSWORD)
        assert (statuses, refused.status_code, refused.json()["code"]) == ([401] * 3, 429, "too_many_logins")
        assert refused.headers["retry-after"] == "1"
