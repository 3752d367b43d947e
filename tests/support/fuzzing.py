"""Generated requests against a real server with a database of its own: `python -m tests.support.fuzzing --minutes 20`.

Schemathesis generates from the document what fits it and what does not, in sequences along its links too, and holds
each answer against it. Rows exist, and ids in paths are theirs as often as not.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from fastapi import FastAPI

from api.dependencies.tokens import AccessTokens
from api.main import create_app
from bevyly.clock import SystemClock
from bevyly.ids import new_id
from bevyly.runtime.ports import free_port
from bevyly.runtime.postgres import throwaway_postgres
from bevyly.runtime.valkey import throwaway_valkey
from tests.integration.api.conftest import ENCRYPTION_KEY, SECRET, UNLIMITED, two_tenants
from tests.integration.api.seeds import seed as fill
from tests.support.databases import Database, create_template, fresh_database

SEED = 20_261_123
IDS = "FUZZ_IDS"
CONFIG = Path(__file__).with_suffix(".toml")
LIVE = "/api/v1/live"
_KEY = re.compile(r"[!-~]{1,255}")
ENDS_THE_SESSION = "log_out"
"""Not generated: every other request needs the session."""


def app() -> FastAPI:
    """The API without rate limits, which would answer most of the requests."""
    return create_app(limits=UNLIMITED)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Half of the ids in paths are real; no key is used twice; a stream is asked for what is there, and ends."""
    known = json.loads(os.environ.get(IDS, "{}"))
    for name, value in (case.path_parameters or {}).items():
        if name in known and zlib.crc32(str(value).encode("utf-8", "replace")) % 2:
            case.path_parameters[name] = known[name]
    if _KEY.fullmatch((case.headers or {}).get("idempotency-key", "")):
        case.headers["idempotency-key"] = new_id()
    if case.operation.path == LIVE and isinstance(case.query or {}, dict):
        query = case.query or {}
        if str(query.get("follow", "true")).lower() in ("true", "1", "on", "t", "y", "yes"):
            case.query = {**query, "follow": "false"}


@dataclass(frozen=True)
class Served:
    """A server that runs, with a user's token and the ids of rows."""

    url: str
    token: str
    ids: dict[str, str]


@contextmanager
def served(database: Database, redis_url: str, log: Path) -> Iterator[Served]:
    """A server process over `database` with a tenant that has a row in every table."""
    tenant, _ = two_tenants(database)
    owner = tenant.users["owner"]
    ids = fill(database.pipeline_url, tenant.customer_id, owner)
    tokens = AccessTokens([SECRET], expires_in=86_400, clock=SystemClock())
    token = tokens.issue(
        customer_id=tenant.customer_id, user_id=owner, email="owner@x.example", role="owner", token_version=1
    )
    port = free_port()
    environment = os.environ | {
        "DATABASE_URL": database.owner_url,
        "REDIS_URL": redis_url,
        "JWT_SECRET": SECRET,
        "ENCRYPTION_KEYS": ENCRYPTION_KEY,
    }
    command = [sys.executable, "-m", "uvicorn", "tests.support.fuzzing:app", "--factory", "--port", str(port)]
    command += ["--http", "httptools", "--no-access-log"]
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, process)
            httpx.get(f"{url}/openapi.json", timeout=120)  # made when it is first asked for, which takes its time
            yield Served(url, token, ids)
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("the API did not start")


def fuzz(served: Served, *, seconds: int, options: list[str], report: Path) -> tuple[int, str]:
    """Exit code and output of schemathesis, which sends for at most `seconds`; `report` gets what it counted."""
    command = [
        str(Path(sys.executable).with_name("st")), "--config-file", str(CONFIG), "run", f"{served.url}/openapi.json",
        "--header", f"Authorization: Bearer {served.token}",
        "--exclude-operation-id", ENDS_THE_SESSION,
        "--max-time", str(seconds),
        "--seed", str(SEED),
        "--suppress-health-check", "all",
        "--request-timeout", "20",
        "--warnings", "off",
        "--report", "json", "--report-json-path", str(report),
        *options,
    ]  # fmt: skip
    environment = os.environ | {
        IDS: json.dumps(served.ids),
        "SCHEMATHESIS_HOOKS": "tests.support.fuzzing",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=report.parent)
    return done.returncode, done.stdout + done.stderr


def main() -> int:
    """Fuzz for some minutes; what was found is printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("options", nargs="*", help="further options of schemathesis, after --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, throwaway_postgres() as postgres, throwaway_valkey() as valkey:
        where = Path(folder)
        with (
            fresh_database(postgres.url, create_template(postgres.url)) as database,
            served(database, valkey.url, where / "server.log") as running,
        ):
            report = where / "report.json"
            code, output = fuzz(running, seconds=int(arguments.minutes * 60), options=arguments.options, report=report)
            sys.stdout.write(output)
            return code


if __name__ == "__main__":
    raise SystemExit(main())
