"""Everything that is scarce, used up by others: connections, locks, memory, sockets. Answers stay quick and honest."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from sqlalchemy import text

from api.middleware.limits import RequestLimits
from bevyly.runtime.ports import free_port
from tests.integration.api.conftest import Api
from tests.integration.api.test_edge import ACCOUNTS, is_problem
from tests.integration.api.test_gateway import served

MIB = 1024 * 1024
SERVER = """
import sys, uvicorn
from api import server
from api.main import create_app
from api.middleware import limits
from bevyly.settings import Settings
settings = Settings(
    api_port=int(sys.argv[1]), log_level="ERROR", database_url="postgresql://nobody@127.0.0.1:1/x",
    redis_url="redis://127.0.0.1:1", jwt_secret="x" * 40,
)
limits.MAX_BODY_BYTES = int(sys.argv[2])
uvicorn.run(**server.server_options(settings) | {"app": create_app(settings), "factory": False})
"""


async def healthy(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(1):
        assert (await client.get("/healthz")).status_code == 200


async def test_without_a_free_connection_writes_and_reads_are_told_so(api: Api) -> None:
    resources = api.app.state.resources
    async with api.client(api.a) as client:
        assert (await client.get(ACCOUNTS)).status_code == 200
        async with AsyncExitStack() as held:
            for _ in range(resources.engine.pool.size()):
                connection = await held.enter_async_context(resources.engine.connect())
                await connection.execute(text("select 1"))
            while not resources.reader._free.locked():
                await resources.reader._free.acquire()
                held.callback(resources.reader._free.release)
            asked = [client.post(ACCOUNTS, json={"name": "x"}) for _ in range(20)]
            answers = asyncio.gather(*asked, *(client.get(ACCOUNTS) for _ in range(20)))
            for _ in range(5):
                await healthy(client)
            async with asyncio.timeout(10):
                for answer in await answers:
                    is_problem(answer, 503, "unavailable")
                    assert int(answer.headers["retry-after"]) >= 1
        assert (await client.post(ACCOUNTS, json={"name": "x"})).status_code == 201, "and then it goes on at once"
        assert (await client.get(ACCOUNTS)).status_code == 200
    assert len(api.rows("accounts")) == 1


async def test_behind_a_locked_table_requests_end_and_the_rest_goes_on(api: Api) -> None:
    async with api.client(api.a) as client:
        with psycopg.connect(api.database.owner_url) as other:
            other.execute("lock table accounts in access exclusive mode")
            asked = [client.post(ACCOUNTS, json={"name": "x"}) for _ in range(6)]
            answers = asyncio.gather(*asked, *(client.get(ACCOUNTS) for _ in range(6)))
            await healthy(client)
            async with asyncio.timeout(10):
                for answer in await answers:
                    is_problem(answer, 503, "unavailable")
            assert (await client.get("/api/v1/leads")).status_code == 200, "what needs no such lock is answered"
        assert (await client.post(ACCOUNTS, json={"name": "x"})).status_code == 201


@asynccontextmanager
async def child(most: int) -> AsyncIterator[tuple[str, psutil.Process]]:
    """The API in a process of its own that takes bodies of `most` bytes; its URL, and the process."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVER, str(port), str(most)), cwd=Path(__file__).parents[2]
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(60):
            while True:
                try:
                    await client.get(f"{url}/healthz")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


def peak(process: psutil.Process) -> int:
    """The most memory that a process has had, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


async def send_much(url: str, *, declared: bool, total: int = 100 * MIB) -> bytes:
    """Send a body as long as the server lets us; the beginning of its answer."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    length = f"content-length: {total}" if declared else "transfer-encoding: chunked"
    head = f"POST /api/v1/auth/refresh HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{length}\r\n\r\n"
    chunk = b" " * 65_536
    try:
        writer.write(head.encode())
        for _ in range(total // len(chunk)):
            writer.write(chunk if declared else b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await writer.drain()
            if reader._buffer:
                break
        writer.write(b"" if declared else b"0\r\n\r\n")
        async with asyncio.timeout(30):
            return await reader.read(65_536)
    except ConnectionError:
        return b"HTTP/1.1 413 and closed"
    finally:
        writer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("declared", [True, False])
async def test_a_hundred_megabytes_are_refused_before_they_are_held(declared: bool) -> None:
    async with child(MIB) as (url, process):
        before = peak(process)
        for _ in range(3):
            assert b"413" in (await send_much(url, declared=declared))[:30]
        assert peak(process) - before < 32 * MIB
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{url}/healthz")).status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
async def test_without_the_bound_they_would_be_held() -> None:
    """The positive control."""
    async with child(200 * MIB) as (url, process):
        before = peak(process)
        await send_much(url, declared=True)
        assert peak(process) - before > 90 * MIB


async def test_a_body_that_trickles_is_given_up_on_the_real_server(api: Api) -> None:
    limited = RequestLimits(api.app, body_seconds=0.3)
    async with served(limited) as url:
        host, port = url.removeprefix("http://").split(":")
        head = b"POST /api/v1/auth/refresh HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"
        slow = [await asyncio.open_connection(host, int(port)) for _ in range(50)]
        for _, writer in slow:
            writer.write(head)
        async with httpx.AsyncClient(trust_env=False, base_url=url) as client:
            await healthy(client)
        async with asyncio.timeout(10):
            for reader, writer in slow:
                answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 408"), answer[:100]
                writer.close()
