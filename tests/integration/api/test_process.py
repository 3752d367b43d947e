"""The process: what it does when clients are slow, the database restarts, Redis counts, a command runs."""

import asyncio
import time
from contextlib import suppress

import orjson
import psycopg
import pytest
import uvicorn
from redis.asyncio import Redis
from typer.testing import CliRunner

from api import commands, server
from api.dependencies.rate_limit import BUCKETS, RateLimited, RateLimiter, Rule
from bevyly.db.read import Reader
from bevyly.errors import Unavailable
from bevyly.identity import keys
from bevyly.ids import new_id
from bevyly.runtime.ports import free_port
from bevyly.settings import Settings
from tests.integration.api.conftest import Api
from tests.support.databases import Database


async def test_half_sent_headers_are_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.2)
    port = free_port()
    options = server.server_options(Settings(api_port=port)) | {"app": api.app, "factory": False, "lifespan": "off"}
    running = uvicorn.Server(uvicorn.Config(**options))
    running.install_signal_handlers = lambda: None
    task = asyncio.create_task(running.serve())
    async with asyncio.timeout(20):
        while not running.started:
            await asyncio.sleep(0.01)
        for sent in (
            b"",
            b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ",
            b"GET /healthz HTTP/1.1\r\n" + b"a" * 70_000,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            try:
                left = await reader.read()
            except ConnectionResetError:
                left = b""
            assert b"200 OK" not in left
            writer.close()
        for length in (40_000, 70_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /api/v1/accounts?q=" + b"x" * length + b" HTTP/1.1\r\nhost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 414 "), (length, head)
            assert b"application/problem+json" in head
            if length < server.MAX_HEAD_BYTES:
                size = int(head.lower().partition(b"content-length: ")[2].split()[0])
                assert orjson.loads(await reader.readexactly(size))["code"] == "target_too_long"
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            await reader.readexactly(15)
        writer.close()
        running.should_exit = True
        await task


async def test_a_reader_survives_the_loss_of_its_connections(database: Database) -> None:
    reader = Reader(database.app_url, size=2)
    await reader.ping()
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
            "and pid <> pg_backend_pid()"
        )
    await reader.ping()
    await reader.close()


async def test_a_reader_cannot_write(database: Database) -> None:
    reader = Reader(database.app_url, size=1)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        await reader._fetch(b"delete from accounts", ())
    await reader.close()


async def test_waiting_for_a_connection_ends(database: Database) -> None:
    reader = Reader(database.app_url, size=1, wait_seconds=0.05)
    await reader.ping()
    slow = asyncio.create_task(reader._fetch(b"select pg_sleep(10)", ()))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await reader.ping()
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    await reader.ping()
    await reader.close()


@pytest.mark.parametrize("lease", [1, 8])
async def test_a_limit_is_never_exceeded(redis_url: str, lease: int) -> None:
    rule = Rule(new_id(), limit=50, lease=lease)
    clients = [Redis.from_url(redis_url) for _ in range(4)]
    limiters = [RateLimiter(client) for client in clients]

    async def attempt(limiter: RateLimiter) -> bool:
        try:
            return await limiter.hit(rule, "ann") is not None
        except RateLimited:
            return False

    admitted = await asyncio.gather(*(attempt(limiter) for limiter in limiters for _ in range(40)))
    other = await limiters[0].hit(rule, "bob")
    for client in clients:
        await client.aclose()
    assert sum(admitted) <= 50
    assert sum(admitted) >= 50 - 4 * lease
    assert other is not None


async def test_a_busy_subject_is_counted_once_for_each_request(redis_url: str) -> None:
    rule = Rule(new_id(), limit=1_000_000, lease=100)
    async with Redis.from_url(redis_url, socket_timeout=5) as client:
        limiter = RateLimiter(client)

        async def work() -> None:
            for _ in range(100):
                await limiter.hit(rule, "ann")
                await asyncio.sleep(0)

        await asyncio.gather(*(work() for _ in range(64)))
        counted = sum(int(count) for count in await client.hvals(f"rate:{rule.name}:ann"))
    assert 6400 <= counted <= 6400 + 2 * rule.lease, "leases are shared, and little is taken that is not used"


async def test_a_limit_holds_over_any_window_whatever_is_taken_ahead(redis_url: str) -> None:
    rule, admitted = Rule(new_id(), limit=20, seconds=1, lease=8), []
    async with Redis.from_url(redis_url) as client:
        limiters = [RateLimiter(client) for _ in range(2)]
        until = time.monotonic() + 2.5 * rule.seconds
        while time.monotonic() < until:
            for limiter in limiters:
                with suppress(RateLimited):
                    await limiter.hit(rule, "ann")
                    admitted.append(time.monotonic())
            await asyncio.sleep(0.004)
    fullest = max(sum(1 for other in admitted if 0 <= other - one < rule.seconds) for one in admitted)
    assert fullest <= rule.limit
    assert len(admitted) > rule.limit, "the window moves on"


@pytest.mark.parametrize(("lease", "counted_for"), [(1, BUCKETS), (8, BUCKETS + 1)])
async def test_old_buckets_leave_the_window(redis_url: str, lease: int, counted_for: int) -> None:
    rule = Rule(new_id(), limit=10, seconds=60, lease=lease)
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        limiter, key = RateLimiter(client), f"rate:{rule.name}:ann"
        now = int((await client.time())[0]) * 1000
        bucket = now // (60_000 // BUCKETS)
        await client.hset(key, mapping={bucket - counted_for - 1: 10, bucket - counted_for + 1: 4})
        decision = await limiter.hit(rule, "ann")
        assert decision is not None
        assert decision.left == 5
        assert str(bucket - counted_for - 1) not in await client.hkeys(key)


def test_a_key_can_be_made_from_the_command_line(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = database.add_tenant("Acme")
    database.add_user(customer, "ann@x.example", role="member")
    monkeypatch.setattr(commands, "get_settings", lambda: Settings(database_url=database.owner_url))
    made = CliRunner().invoke(commands.key, ["create", "--user", "Ann@x.example"])
    assert made.exit_code == 0, made.output
    assert keys.tenant_in(keys.LIVE, made.output.strip()) == customer
    missing = CliRunner().invoke(commands.key, ["create", "--user", "bob@x.example"])
    assert missing.exit_code == 1
