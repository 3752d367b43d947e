"""`python -m benchmarks.against_hono`: the API beside the stack of the original document, on the same PostgreSQL.

The peer is `benchmarks/peers/hono`: Hono, Zod, jose and Drizzle on Node, one process, the tenant set in a transaction,
the same tables, roles and row-level security, the same JSON; it has no rate limits, request ids, metrics or limits of
bodies.
Ours is one uvicorn worker as it is served. Both are asked by wrk over 32 connections in turn, as 200 tenants, in
interleaved rounds. Prints a JSON line a question: `value` and `reference` are requests a second, `p50` and `p99`
milliseconds (ours, the peer's), `ratio` is ours to the peer's. `list_growth_p99` is the p99 of our list with 1,000,000
accounts beside that with 10,000, in milliseconds. Needs node, npm and wrk.

    python -m benchmarks.against_hono [--seconds 8] [--rounds 3] [--accounts 1000000]
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psycopg
import uvicorn

from api.dependencies.tokens import AccessTokens
from api.main import create_app
from api.server import server_options
from benchmarks.briefing_read import GENEROUS, document, until_ready
from bevyly.clock import SystemClock
from bevyly.db.migrate import upgrade
from bevyly.ids import new_id
from bevyly.runtime.ports import free_port
from bevyly.runtime.postgres import throwaway_postgres
from bevyly.runtime.valkey import throwaway_valkey
from bevyly.settings import Settings

PEERS = Path(__file__).parent / "peers"
SECRET = "the secret of a benchmark, 32 characters and more"
TENANTS, CONNECTIONS, SMALL = 200, 32, 10_000
_ACCOUNTS = """
insert into accounts (customer_id, id, name, domain, industry, employee_count, created_at, updated_at)
select customer, uuidv7()::text, 'Company ' || n, 'company' || n || '.example', 'Software', mod(n, 5000), at, at
from unnest(%s::text[]) customer, generate_series(%s::int, %s::int) n,
  lateral (select now() - n * interval '97 seconds' as at)
"""


@dataclass(frozen=True)
class Question:
    """What is asked of both."""

    name: str
    path: str
    method: str = "GET"
    known: str = ""
    status: int = 200


QUESTIONS = (
    Question("list", "/api/v1/accounts"),
    Question("get_one", "/api/v1/accounts/{id}"),
    Question("create", "/api/v1/accounts", "POST", status=201),
    Question("briefing", "/api/v1/intent/briefing"),
    Question("briefing_unchanged", "/api/v1/intent/briefing", known='"v1"', status=304),
)
Answer = dict[str, float]


def serve(settings: Settings, port: int) -> None:
    """Our process, as `bevyly api` serves, without limits of rate that a benchmark would meet."""
    options = server_options(settings.model_copy(update={"api_port": port, "log_level": "ERROR"}))
    app = create_app(settings, limits=GENEROUS)
    uvicorn.run(app, **{key: value for key, value in options.items() if key not in ("app", "factory", "workers")})


@contextmanager
def ours(settings: Settings) -> Iterator[int]:
    """Our server; its port."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(settings, port))
    process.start()
    try:
        asyncio.run(until_ready(port))
        yield port
    finally:
        process.terminate()
        process.join(10)


@contextmanager
def peer(settings: Settings, build: Path) -> Iterator[int]:
    """The peer's server; its port."""
    port = free_port()
    environment = {"DATABASE_URL": settings.require_database(), "JWT_SECRET": SECRET, "PORT": str(port)}
    process = subprocess.Popen(["node", str(build / "server.js")], env=os.environ | environment)
    try:
        asyncio.run(until_ready(port))
        yield port
    finally:
        process.terminate()
        process.wait(10)


def built(folder: Path) -> Path:
    """The peer, installed and compiled in `folder`."""
    shutil.copytree(PEERS / "hono", folder, ignore=shutil.ignore_patterns("node_modules", "build"))
    for command in (["npm", "ci", "--no-audit", "--no-fund", "--silent"], ["npm", "run", "--silent", "build"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder / "build"


def prepare(url: str, callers: Path) -> list[str]:
    """Tenants with a user, a briefing and a few accounts; writes who may ask to `callers`."""
    upgrade(url)
    tenants, users = [new_id() for _ in range(TENANTS)], [new_id() for _ in range(TENANTS)]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany("insert into customers (id, name) values (%s, 'benchmark')", [(one,) for one in tenants])
        cursor.executemany(
            "insert into users (customer_id, id, email, role) values (%s, %s, %s, 'owner')",
            [(tenant, user, f"{user}@example.com") for tenant, user in zip(tenants, users, strict=True)],
        )
        body, now = document(), datetime.now(UTC)
        cursor.executemany(
            "insert into briefings (customer_id, user_id, version, as_of, status, document, etag) "
            "values (%s, %s, 1, %s, 'fresh', %s, 'v1')",
            [(tenant, user, now, body) for tenant, user in zip(tenants, users, strict=True)],
        )
        cursor.execute(_ACCOUNTS, (tenants, 1, SMALL // TENANTS))
        found = dict(cursor.execute("select customer_id, min(id) from accounts group by 1").fetchall())
    tokens = AccessTokens([SECRET], expires_in=86_400, clock=SystemClock())
    callers.write_text(
        "".join(
            f"{_token(tokens, tenant, user)} {found[tenant]}\n" for tenant, user in zip(tenants, users, strict=True)
        )
    )
    return tenants


def _token(tokens: AccessTokens, tenant: str, user: str) -> str:
    return tokens.issue(customer_id=tenant, user_id=user, email=f"{user}@example.com", role="owner", token_version=1)


def vacuum(url: str) -> None:
    """Let PostgreSQL know its tables, and have nothing left to tidy up while it is measured."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")


def check_alike(ports: tuple[int, int], callers: Path) -> None:
    """Raise unless both give the status that is expected, and the same fields."""
    token, id_ = callers.read_text().splitlines()[0].split()
    for question in QUESTIONS:
        shapes = []
        for port in ports:
            answer = httpx.request(
                question.method,
                f"http://127.0.0.1:{port}{question.path.format(id=id_)}",
                headers={"authorization": f"Bearer {token}"}
                | ({"if-none-match": question.known} if question.known else {}),
                json={"name": f"Company {port}"} if question.method == "POST" else None,
            )
            assert answer.status_code == question.status, (question.name, answer.status_code, answer.text)
            body = answer.json() if answer.content else {}
            row = body["data"][0] if "data" in body else body
            shapes.append((sorted(row), len(body.get("data", []))))
        assert shapes[0] == shapes[1], (question.name, shapes)


def ask(port: int, question: Question, callers: Path, seconds: int) -> Answer:
    """What wrk saw."""
    done = subprocess.run(
        [
            *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s"),
            *("-s", str(PEERS / "requests.lua"), f"http://127.0.0.1:{port}"),
        ],
        env=os.environ
        | {"METHOD": question.method, "ROUTE": question.path, "KNOWN": question.known, "CALLERS": str(callers)},
        capture_output=True,
        text=True,
        check=True,
    )
    result: Answer = json.loads(done.stdout.rpartition("RESULT ")[2])
    assert result["errors"] == 0, (question.name, done.stdout)
    return result


def median(answers: list[Answer]) -> Answer:
    """The middle of each figure."""
    return {name: statistics.median(one[name] for one in answers) for name in answers[0]}


def compare(ports: tuple[int, int], callers: Path, *, seconds: int, rounds: int) -> dict[str, Answer]:
    """Every question to both, in turn; our answers by name of the question."""
    found: dict[str, Answer] = {}
    for question in QUESTIONS:
        for port in ports:
            ask(port, question, callers, 2)
        answers: tuple[list[Answer], list[Answer]] = ([], [])
        for _ in range(rounds):
            for port, heard in zip(ports, answers, strict=True):
                heard.append(ask(port, question, callers, seconds))
        we, they = median(answers[0]), median(answers[1])
        found[question.name] = we
        show(question.name, we["rate"], they["rate"], p50=[we["p50"], they["p50"]], p99=[we["p99"], they["p99"]])
    return found


def show(name: str, value: float, reference: float, **more: list[float]) -> None:
    """One line."""
    line = {"name": f"against_hono.{name}", "value": round(value, 1), "reference": round(reference, 1)}
    print(json.dumps(line | {"ratio": round(value / reference, 2)} | more), flush=True)


def main() -> None:
    """Run the comparison on servers of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    arguments = parser.parse_args()
    for program in ("node", "npm", "wrk"):
        if shutil.which(program) is None:
            sys.exit(f"NOT MEASURED: {program} is missing (Debian: apt-get install nodejs npm wrk).")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bevyly-benchmark-")))
        callers = folder / "callers"
        database = stack.enter_context(throwaway_postgres(durable=True))
        valkey = stack.enter_context(throwaway_valkey())
        settings = Settings(database_url=database.url, redis_url=valkey.url, jwt_secret=SECRET)
        tenants = prepare(database.url, callers)
        vacuum(database.url)
        port = stack.enter_context(ours(settings))
        ports = port, stack.enter_context(peer(settings, built(folder / "peer")))
        check_alike(ports, callers)
        first = [ask(port, QUESTIONS[0], callers, arguments.seconds) for _ in range(arguments.rounds)]
        with psycopg.connect(database.url) as connection:
            # without triggers: entries of the search are not what is measured, and take minutes
            connection.execute("set session_replication_role = replica")
            connection.execute(_ACCOUNTS, (tenants, SMALL // TENANTS + 1, arguments.accounts // TENANTS))
        vacuum(database.url)
        found = compare(ports, callers, seconds=arguments.seconds, rounds=arguments.rounds)
        show("list_growth_p99", found["list"]["p99"], median(first)["p99"])


if __name__ == "__main__":
    main()
