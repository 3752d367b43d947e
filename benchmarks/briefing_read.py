"""GET /api/v1/intent/briefing against a bare handler that returns the same bytes, in one run, interleaved.

Prints JSON lines {"name", "value", "reference", "ratio"}: requests a second of ours, of the reference, and ours divided
by the reference. One server process holds both applications, one other process asks; only ratios are worth comparing.

    python benchmarks/briefing_read.py [--seconds 3] [--connections 32] [--port 57010]
"""

import argparse
import asyncio
import json
import multiprocessing
import signal
import statistics
import sys
import time
from datetime import UTC, datetime
from typing import Any

import psycopg
import uvicorn

from api.dependencies.rate_limit import RateLimits, Rule
from api.main import create_app
from bevyly.db.engine import make_engine
from bevyly.db.migrate import upgrade
from bevyly.identity.keys import create_api_key
from bevyly.ids import new_id
from bevyly.runtime.postgres import throwaway_postgres
from bevyly.runtime.valkey import throwaway_valkey
from bevyly.settings import Settings, as_role

PATH = "/api/v1/intent/briefing"
BARE = "/bare"
LIST = "/api/v1/accounts"
GENEROUS = RateLimits(
    **{name: Rule(name, limit=100_000_000, lease=100) for name in ("reads", "lists", "writes", "addresses")}
)
ROUNDS = 5


def document() -> str:
    """A briefing of ten items, about 12 kB."""
    item = {"rank": 1, "title": "Call Ann", "rationale": "x" * 600, "reasons": [{"code": "c", "text": "y" * 80}] * 4}
    return json.dumps({"version": 1, "headline": "Ten things", "items": [item] * 10})


def with_bare_handler(app: Any, body: bytes) -> Any:
    """`app`, and beside it, behind nothing at all, a handler that returns `body`."""
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
    }

    async def either(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == BARE:
            await send(dict(start))
            await send({"type": "http.response.body", "body": body})
        else:
            await app(scope, receive, send)

    return either


def serve(settings: Settings, port: int, body: bytes) -> None:
    """The server process."""
    app = with_bare_handler(create_app(settings, limits=GENEROUS), body)
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="error", lifespan="on")


async def measure(port: int, path: str, key: str, *, connections: int, seconds: float) -> float:
    """Requests a second over kept connections; every answer is read whole, and must be a 200."""
    request = f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n".encode()
    until, counted = time.perf_counter() + seconds, 0

    async def one() -> None:
        nonlocal counted
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            counted += 1
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return counted / (time.perf_counter() - started)


async def until_ready(port: int) -> None:
    """Wait until the server takes connections."""
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise TimeoutError("the server did not start")


def prepare(url: str, body: str) -> str:
    """A tenant with a briefing and 200 accounts; returns an API key."""
    upgrade(url)
    customer, user = new_id(), new_id()
    with psycopg.connect(url) as connection:
        connection.execute("insert into customers (id, name) values (%s, 'bench')", (customer,))
        connection.execute(
            "insert into users (customer_id, id, email, role) values (%s, %s, 'a@x.example', 'owner')", (customer, user)
        )
        connection.execute(
            "insert into briefings (customer_id, user_id, version, as_of, status, document, etag) "
            "values (%s, %s, 1, %s, 'fresh', %s, 'v1')",
            (customer, user, datetime.now(UTC), body),
        )
        connection.execute(
            "insert into accounts (customer_id, id, name) "
            "select %s, gen_random_uuid()::text, 'Account ' || n from generate_series(1, 200) n",
            (customer,),
        )
        connection.execute("analyze")
    engine = make_engine(as_role(url, "bevyly_app"), pool_size=1)
    return create_api_key(engine, customer, user, "bench", ["intent:read", "accounts:read"])


async def compare(port: int, key: str, *, connections: int, seconds: float) -> None:
    """Interleaved rounds; the median of each."""
    await until_ready(port)
    rates: dict[str, list[float]] = {PATH: [], LIST: [], BARE: []}
    for path in rates:
        await measure(port, path, key, connections=connections, seconds=0.5)
    for _ in range(ROUNDS):
        for path, found in rates.items():
            found.append(await measure(port, path, key, connections=connections, seconds=seconds / ROUNDS))
    reference = statistics.median(rates[BARE])
    for name, path in (("briefing_read", PATH), ("accounts_list", LIST)):
        value = statistics.median(rates[path])
        line = {
            "name": name,
            "value": round(value),
            "reference": round(reference),
            "ratio": round(value / reference, 3),
        }
        print(json.dumps(line))


def main() -> None:
    """Run the comparison on servers of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--port", type=int, default=57010)
    arguments = parser.parse_args()
    body = document()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end with us
    with throwaway_postgres() as postgres, throwaway_valkey() as valkey:
        key = prepare(postgres.url, body)
        settings = Settings(database_url=postgres.url, redis_url=valkey.url, jwt_secret="x" * 32)
        process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(settings, arguments.port, body.encode())
        )
        process.start()
        try:
            asyncio.run(compare(arguments.port, key, connections=arguments.connections, seconds=arguments.seconds))
        finally:
            process.terminate()
            process.join(10)


if __name__ == "__main__":
    main()
