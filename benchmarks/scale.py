"""`python -m benchmarks.scale [LEADS …]`: features, training and scoring at sizes that a large tenant base has.

Each size is made inside PostgreSQL (ten events a lead, over a year) on a server of its own, then built, trained and
scored in full, then refreshed after 10,000 new events. Prints a line of JSON a size: seconds and peak
memory of each step, and of a refresh its slowest models. Takes minutes a hundred thousand leads: start it when it may.
"""

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bevyly.db.migrate import upgrade
from bevyly.runtime.postgres import throwaway_postgres
from bevyly.settings import as_role
from models.schema import SCORE_TYPES
from pipelines.dbt import run_dbt
from pipelines.resources import Warehouse
from pipelines.scoring.score import score_all
from pipelines.scoring.training import train_score

TENANTS = 20
NEW_EVENTS = 10_000
ROUNDS = 2
NOW = datetime(2026, 9, 15, 8, tzinfo=UTC)
BETWEEN = timedelta(minutes=10)
# a server of this size would be given as much
SERVER = {
    "shared_buffers": "2GB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "16GB",
    "effective_cache_size": "8GB",
}
SLOWEST = 6


def statements() -> list[str]:
    """What makes the events, then what makes new ones."""
    return Path(__file__).with_suffix(".sql").read_text().strip().removesuffix(";").split(";\n")


def say(text: str) -> None:
    """Progress for a person."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")


def sql(url: str, *statements: str, **values: Any) -> None:
    """Run statements as the owner; values are our own constants."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.format(**values).encode())


@contextmanager
def peak_memory(server: int) -> Iterator[list[float]]:
    """Most GiB that this process, its children and the server's held at a time, shared pages of each counted once."""
    most, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            held = 0
            for root in (psutil.Process(), psutil.Process(server)):
                for process in (root, *root.children(recursive=True)):
                    try:
                        held += process.memory_full_info().pss
                    except psutil.Error:
                        continue
            most[0] = max(most[0], held / 2**30)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def worked(server: int) -> float:
    """Seconds of a core that this process, its children and the server have used: what another load does not change."""
    return sum(os.times()[:4]) + sum(psutil.Process(server).cpu_times()[:4])


def measured(step: Callable[[], Any], server: int) -> tuple[dict[str, float], Any]:
    """Seconds, seconds of a core and peak memory of `step`, and what it gave."""
    with peak_memory(server) as most:
        started, before = time.perf_counter(), worked(server)
        given = step()
        seconds, core = time.perf_counter() - started, worked(server) - before
    return {"seconds": round(seconds, 1), "core_seconds": round(core, 1), "gib": round(most[0], 2)}, given


def build(url: str, target: Path, now: datetime, *arguments: str) -> dict[str, float]:
    """Build all models as of `now`; seconds of the slowest."""
    os.environ["BEVYLY_NOW"] = now.isoformat()
    run_dbt(["run", *arguments], target=target, url=url)
    results = json.loads((target / "run_results.json").read_text())["results"]
    seconds = {result["unique_id"].rpartition(".")[2]: round(result["execution_time"], 1) for result in results}
    return dict(sorted(seconds.items(), key=lambda pair: -pair[1])[:SLOWEST])


def train(warehouse: Warehouse, artefacts: Path, now: datetime) -> None:
    """All scores."""
    for score_type in SCORE_TYPES:
        train_score(warehouse, artefacts, score_type, instant=now, reason="benchmark")


def score(warehouse: Warehouse, artefacts: Path) -> dict[str, Any]:
    """All scores of all undecided entities."""
    return {score_type: score_all(warehouse, artefacts, score_type) for score_type in SCORE_TYPES}


def measure(leads: int) -> dict[str, Any]:
    """Every step at one size."""
    found: dict[str, Any] = {"leads": leads}
    *making, newer = statements()
    with throwaway_postgres() as server, tempfile.TemporaryDirectory(prefix="bevyly-scale-") as folder:
        sql(server.url, *[f"alter system set {name} = '{value}'" for name, value in SERVER.items()])
        server.stop()
        server.start()
        pid = int((server.cluster / "postmaster.pid").read_text().split()[0])
        target, url = Path(folder), as_role(server.url, "bevyly_pipeline")
        upgrade(server.url)
        values = {"leads": leads, "tenants": TENANTS, "now": f"'{NOW.isoformat()}'"}
        found["made"], _ = measured(lambda: sql(server.url, *making, "analyze raw.events", **values), pid)
        with psycopg.connect(server.url) as connection:
            found["events"] = connection.execute("select count(*) from raw.events").fetchone()[0]
        say(f"{found['events']:,} events: {found['made']}")
        warehouse = Warehouse(url=url)
        steps: list[tuple[str, Callable[[], Any]]] = [
            ("build", lambda: build(server.url, target, NOW, "--full-refresh"))
        ]
        for number in range(1, ROUNDS + 1):
            now = NOW + number * BETWEEN
            new = values | {"now": f"'{now.isoformat()}'", "round": number, "new": NEW_EVENTS}
            steps += [
                (f"new {number}", lambda new=new: sql(server.url, newer, **new)),
                (f"rebuild {number}", lambda now=now: build(server.url, target, now)),
            ]
            # the last refresh is scored incrementally, by what was trained before it
            scored = [("score", lambda: score(warehouse, target))]
            steps += [("train", lambda: train(warehouse, target, NOW)), *scored] if number == ROUNDS - 1 else []
            steps += [("rescore", scored[0][1])] if number == ROUNDS else []
        for name, step in steps:
            found[name], given = measured(step, pid)
            found[name] |= {"of": given} if given else {}
            say(f"{name}: {found[name]}")
    return found


def main() -> None:
    """Measure the sizes that were asked for."""
    for leads in [int(argument) for argument in sys.argv[1:]] or [100_000, 300_000, 1_000_000]:
        sys.stdout.write(json.dumps({"name": "scale"} | measure(leads)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
