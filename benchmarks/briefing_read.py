"""GET /api/v1/intent/briefing against a bare handler that returns the same bytes, in one run, interleaved.

Prints JSON lines {"name", "value", "reference", "ratio", "p50_ms", "p99_ms"}: requests a second of ours, of the
reference, and ours divided by the reference; how long ours took at that load. The briefing is read, asked for again
with its ETag, and read in a tenant of `--large` accounts and deals, whose reference is the small tenant's. One server
process holds both applications, one other process asks; only ratios are worth comparing.

    python -m benchmarks.briefing_read [--seconds 3] [--connections 32] [--large 100000] [--port 57010]
"""

import argparse
import asyncio
import json
import multiprocessing
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import uvicorn
import uvloop

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
SMALL = 200


@dataclass(frozen=True)
class Question:
    """What is asked, by whom, and the status that has to come back."""

    name: str
    path: str
    key: str
    status: int = 200
    etag: str = ""

    @property
    def request(self) -> bytes:
        """The request as it is sent."""
        known = f"if-none-match: {self.etag}\r\n" if self.etag else ""
        return f"GET {self.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.key}\r\n{known}\r\n".encode()


@dataclass(frozen=True)
class Found:
    """Requests a second, and how long each took, in milliseconds."""

    rate: float
    milliseconds: Sequence[float]


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


async def measure(port: int, asked: Question, *, connections: int, seconds: float) -> Found:
    """Ask over kept connections; every answer is read whole, and must have the status that was expected."""
    until, taken = time.perf_counter() + seconds, []
    expected = f"HTTP/1.1 {asked.status}".encode()

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < until:
            writer.write(asked.request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(expected), head
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            taken.append((time.perf_counter() - began) * 1000)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return Found(len(taken) / (time.perf_counter() - started), taken)


async def etag_of(port: int, asked: Question) -> str:
    """The ETag of an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked.request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.close()
    return next(line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("etag: "))


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


def prepare(url: str, body: str, accounts: int) -> str:
    """A tenant with a briefing and so many accounts and deals; returns an API key."""
    customer, user = new_id(), new_id()
    with psycopg.connect(url) as connection:
        connection.execute("insert into customers (id, name) values (%s, 'bench')", (customer,))
        connection.execute(
            "insert into users (customer_id, id, email, role) values (%s, %s, %s, 'owner')",
            (customer, user, f"{accounts}@x.example"),
        )
        connection.execute(
            "insert into briefings (customer_id, user_id, version, as_of, status, document, etag) "
            "values (%s, %s, 1, %s, 'fresh', %s, 'v1')",
            (customer, user, datetime.now(UTC), body),
        )
        connection.execute(
            "insert into accounts (customer_id, id, name) "
            "select %s, gen_random_uuid()::text, 'Account ' || n from generate_series(1, %s) n",
            (customer, accounts),
        )
        connection.execute(
            "insert into opportunities (customer_id, id, account_id, name, status, stage, stage_entered_at) "
            "select customer_id, gen_random_uuid()::text, id, name, 'open', 'proposal', now() from accounts "
            "where customer_id = %s",
            (customer,),
        )
        connection.execute("analyze")
    engine = make_engine(as_role(url, "bevyly_app"), pool_size=1)
    return create_api_key(engine, customer, user, "bench", ["intent:read", "accounts:read"])


async def compare(port: int, small: str, large: str, *, connections: int, seconds: float) -> None:
    """Interleaved rounds; the median of each."""
    await until_ready(port)
    read = Question("briefing_read", PATH, small)
    unchanged = Question("briefing_unchanged", PATH, small, status=304, etag=await etag_of(port, read))
    in_large, listed = Question("briefing_read_large", PATH, large), Question("accounts_list", LIST, small)
    bare = Question("bare", BARE, small)
    found: dict[Question, list[Found]] = {asked: [] for asked in (read, unchanged, in_large, listed, bare)}
    for asked in found:
        await measure(port, asked, connections=connections, seconds=0.5)
    for _ in range(ROUNDS):
        for asked, rounds in found.items():
            rounds.append(await measure(port, asked, connections=connections, seconds=seconds / ROUNDS))
    rates = {asked: statistics.median(one.rate for one in rounds) for asked, rounds in found.items()}
    for asked, reference in {read: bare, unchanged: bare, in_large: read, listed: bare}.items():
        hundredths = statistics.quantiles((taken for one in found[asked] for taken in one.milliseconds), n=100)
        line = {
            "name": asked.name,
            "value": round(rates[asked]),
            "reference": round(rates[reference]),
            "ratio": round(rates[asked] / rates[reference], 3),
            "p50_ms": round(hundredths[49], 2),
            "p99_ms": round(hundredths[98], 2),
        }
        print(json.dumps(line), flush=True)


def main() -> None:
    """Run the comparison on servers of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--large", type=int, default=100_000, help="accounts and deals of the large tenant")
    parser.add_argument("--port", type=int, default=57010)
    arguments = parser.parse_args()
    body = document()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end with us
    with throwaway_postgres() as postgres, throwaway_valkey() as valkey:
        upgrade(postgres.url)
        small, large = (prepare(postgres.url, body, accounts) for accounts in (SMALL, arguments.large))
        settings = Settings(database_url=postgres.url, redis_url=valkey.url, jwt_secret="x" * 32)
        process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(settings, arguments.port, body.encode())
        )
        process.start()
        try:
            uvloop.run(
                compare(arguments.port, small, large, connections=arguments.connections, seconds=arguments.seconds)
            )
        finally:
            process.terminate()
            process.join(10)


if __name__ == "__main__":
    main()
