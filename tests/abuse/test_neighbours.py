"""Others who take more than their share: a tenant far above its limit, and clients that never finish what they say."""

import asyncio
from collections import Counter
from dataclasses import replace

import httpx
import pytest

from api import server
from api.middleware.limits import RequestLimits
from tests.integration.api.conftest import UNLIMITED, Api, running
from tests.integration.api.test_edge import ACCOUNTS
from tests.integration.api.test_gateway import rules, served
from tests.support.databases import Database

LIMIT, TIMES = 20, 10
SLOW = 150
HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: "
HALF_A_BODY = b"POST /api/v1/auth/refresh HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"


@pytest.mark.parametrize("limited", [True, False], ids=["limited", "without the limit"])
async def test_a_tenant_far_above_its_limit_takes_nothing_from_another(
    database: Database, redis_url: str, *, limited: bool
) -> None:
    """The second case is the positive control: nothing else would hold the first tenant back."""
    counted = rules(lists=LIMIT)
    # an hour, so that no slow machine opens a new window
    limits = replace(counted, lists=replace(counted.lists, seconds=3600)) if limited else UNLIMITED
    loud_answers, quiet_answers = Counter[int](), Counter[int]()
    async with (
        running(database, redis_url, limits=limits) as api,
        api.client(api.a) as loud,
        api.client(api.b) as quiet,
    ):
        for _ in range(LIMIT):
            *many, one = await asyncio.gather(*(loud.get(ACCOUNTS) for _ in range(TIMES)), quiet.get(ACCOUNTS))
            loud_answers.update(answer.status_code for answer in many)
            quiet_answers[one.status_code] += 1
    assert quiet_answers == {200: LIMIT}
    assert loud_answers == ({200: LIMIT, 429: LIMIT * (TIMES - 1)} if limited else {200: LIMIT * TIMES})


async def test_three_hundred_slow_clients_are_closed_and_keep_nobody_out(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 1.0)
    async with served(RequestLimits(api.app, body_seconds=1.0)) as url, asyncio.timeout(60):
        host, port = url.removeprefix("http://").split(":")
        heads, bodies = [
            await asyncio.gather(*(begin(host, int(port), sent) for _ in range(SLOW)))
            for sent in (HALF_A_HEAD, HALF_A_BODY)
        ]
        async with httpx.AsyncClient(trust_env=False, base_url=url) as client:
            assert (await client.get("/healthz")).status_code == 200
        assert Counter(await asyncio.gather(*(rest(*one) for one in heads))) == {b"": SLOW}
        assert Counter(await asyncio.gather(*(rest(*one) for one in bodies))) == {b"HTTP/1.1 408": SLOW}


async def begin(host: str, port: int, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which half of a request was sent, and no more will be."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(sent)
    return reader, writer


async def rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The beginning of what the server says before it closes the connection."""
    try:
        return (await reader.read())[:12]
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
