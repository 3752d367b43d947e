"""`python -m benchmarks.imports`: an import of leads from a CSV file, another one that is killed on the way, a revert.

The API and the importer are processes of their own. Prints JSON lines: `value` is rows a second, `reference` those that
COPY puts into a table without indexes, `ratio` ours to that, `seconds` how long ours took. `imports.killed` has a
`kill -9` of the importer in the middle, and what another one needs to take over: the lease of the first is waited for.

    python -m benchmarks.imports [--rows 50000]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any

import httpx
import psycopg
from cryptography.fernet import Fernet

from api.dependencies.tokens import AccessTokens
from benchmarks.against_hono import SECRET, ours
from bevyly.clock import SystemClock
from bevyly.db.migrate import upgrade
from bevyly.ids import new_id
from bevyly.runtime.postgres import throwaway_postgres
from bevyly.runtime.valkey import throwaway_valkey
from bevyly.settings import Settings

HEADER = "Company,Name,Email,Phone,Source,External"
FIELDS = ("company_name", "contact_name", "contact_email", "phone", "source", "external_id")
KEPT = ("uploaded", "mapped", "queued", "running", "reverting")


def rows(count: int, prefix: str) -> list[tuple[str, ...]]:
    """Leads, no two of them alike."""
    return [
        (
            f"{new_id()[-12:]} Works",
            f"Ann {n:x}",
            f"ann{n}@{prefix}{n}.example",
            f"+49 30 {n:08d}",
            "fair",
            f"{prefix}-{n}",
        )
        for n in range(count)
    ]


def tenant(url: str) -> tuple[str, str]:
    """A tenant with one owner; ids of both."""
    customer, user = new_id(), new_id()
    with psycopg.connect(url) as connection:
        connection.execute("insert into customers (id, name) values (%s, 'benchmark')", (customer,))
        connection.execute(
            "insert into users (customer_id, id, email, role) values (%s, %s, 'owner@example.com', 'owner')",
            (customer, user),
        )
    return customer, user


def copied(url: str, found: list[tuple[str, ...]]) -> float:
    """Seconds that COPY takes for the rows, into a bare table."""
    with psycopg.connect(url) as connection:
        connection.execute(f"create table bare ({', '.join(f'{name} text' for name in FIELDS)})")
        started = time.perf_counter()
        with connection.cursor().copy("copy bare from stdin") as copy:
            for row in found:
                copy.write_row(row)
        connection.commit()
        return time.perf_counter() - started


class Bench:
    """A client of the API, and the importers that it waits for."""

    def __init__(self, client: httpx.Client, environment: dict[str, str]) -> None:
        self.client = client
        self.environment = environment

    def importer(self) -> subprocess.Popen[bytes]:
        """Another importer."""
        return subprocess.Popen([sys.executable, "-m", "api.modules.imports"], env=os.environ | self.environment)

    def started(self, found: list[tuple[str, ...]]) -> str:
        """An import of `found` that waits for its importer; its id."""
        text = "\n".join([HEADER, *(",".join(row) for row in found)]).encode()
        path = "/imports?kind=lead&filename=leads.csv"
        id_: str = self._ask("POST", path, content=text, headers={"content-type": "text/csv"})["id"]
        columns = [{"column": name, "field": field} for name, field in zip(HEADER.split(","), FIELDS, strict=True)]
        self._ask("PUT", f"/imports/{id_}/mapping", json={"mode": "create", "columns": columns})
        self._ask("POST", f"/imports/{id_}/start", json={})
        return id_

    def wait(self, id_: str, at_work: subprocess.Popen[bytes], *, rows_done: int | None = None) -> dict[str, Any]:
        """The import once it has ended, or has come to `rows_done`."""
        while True:
            assert at_work.poll() is None, "the importer ended"
            job = self._ask("GET", f"/imports/{id_}")
            if job["status"] not in KEPT or (rows_done is not None and job["rows_done"] >= rows_done):
                return job
            time.sleep(0.1)

    def revert(self, id_: str) -> None:
        """Ask for an import to be taken back."""
        self._ask("POST", f"/imports/{id_}/revert")

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self.client.request(method, f"/api/v1{path}", **options)
        assert answer.is_success, (path, answer.status_code, answer.text)
        found: dict[str, Any] = answer.json()
        return found


def show(name: str, count: int, seconds: float, reference: float) -> None:
    """One line."""
    line = {"name": f"imports.{name}", "value": round(count / seconds, 1), "reference": round(count / reference, 1)}
    print(json.dumps(line | {"ratio": round(reference / seconds, 4), "seconds": round(seconds, 1)}), flush=True)


def measure(bench: Bench, url: str, count: int) -> None:
    """Import, import with a kill, and take the first one back."""
    plain, killed = rows(count, "plain"), rows(count, "killed")
    reference = copied(url, plain)
    first = bench.importer()
    try:
        started = time.perf_counter()
        done = bench.started(plain)
        job = bench.wait(done, first)
        assert job["counts"] == {"created": count}, job
        show("plain", count, time.perf_counter() - started, reference)
        started = time.perf_counter()
        broken = bench.started(killed)
        bench.wait(broken, first, rows_done=count // 2)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    second = bench.importer()
    try:
        job = bench.wait(broken, second)
        assert job["counts"] == {"created": count}, job
        show("killed", count, time.perf_counter() - started, reference)
        started = time.perf_counter()
        bench.revert(done)
        assert bench.wait(done, second)["status"] == "reverted"
        show("reverted", count, time.perf_counter() - started, reference)
    finally:
        second.terminate()
        second.wait()


def main() -> None:
    """Run on servers of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    count = parser.parse_args().rows
    with ExitStack() as stack:
        database = stack.enter_context(throwaway_postgres(durable=True))
        valkey = stack.enter_context(throwaway_valkey())
        upgrade(database.url)
        customer, user = tenant(database.url)
        settings = Settings(database_url=database.url, redis_url=valkey.url, jwt_secret=SECRET)
        port = stack.enter_context(ours(settings))
        tokens = AccessTokens([SECRET], expires_in=86_400, clock=SystemClock())
        token = tokens.issue(
            customer_id=customer, user_id=user, email="owner@example.com", role="owner", token_version=1
        )
        client = stack.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {token}"}, timeout=60)
        )
        environment = {
            "DATABASE_URL": database.url,
            "REDIS_URL": valkey.url,
            "JWT_SECRET": SECRET,
            "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "LOG_LEVEL": "ERROR",
        }
        measure(Bench(client, environment), database.url, count)


if __name__ == "__main__":
    main()
