"""`python -m benchmarks.scale [--leads N …] [--new N …]`: features, training and scores of a large base.

Each size is made inside PostgreSQL (about ten events a lead, over a year) on a server of its own, then built, trained
and scored in full, then refreshed and scored after each number of new events. Prints a line of JSON as soon as a step
is over, then one a size with refreshes against full, and at the end how each step grows with the number of leads.

Runs unattended: progress goes to stderr each minute, a size that the disk has no room for is refused before it begins,
and queries may set aside no more than half of that room. 1,000,000 leads are given 75 GiB of disk; what they took on
two cores is in ADR 33 and ADR 43.
"""

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.metering import GIB, Meter, say
from bevyly.db.migrate import upgrade
from bevyly.objects import FolderStore
from bevyly.runtime.postgres import EmbeddedPostgres, throwaway_postgres
from bevyly.settings import as_role
from models.schema import SCORE_TYPES
from pipelines.dbt import run_dbt
from pipelines.resources import Warehouse
from pipelines.scoring.score import score_all
from pipelines.scoring.shelf import Shelf
from pipelines.scoring.training import train_score

TENANTS = 20
NOW = datetime(2026, 9, 15, 8, tzinfo=UTC)
BETWEEN = timedelta(minutes=10)
DISK_OF_LEAD = 80_000  # bytes: tables, indexes, the log of a build and what its queries set aside
# a server of this size would be given as much
SERVER = {
    "shared_buffers": "2GB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "effective_cache_size": "8GB",
}
SLOWEST = 6
Step = tuple[str, Callable[[], Any]]


def statements() -> list[str]:
    """What makes the events, then what makes new ones."""
    return Path(__file__).with_suffix(".sql").read_text().strip().removesuffix(";").split(";\n")


def tell(line: dict[str, Any]) -> None:
    """A line of JSON, as soon as it is known."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def sql(url: str, *statements: str, **values: Any) -> None:
    """Run statements as the owner; values are our own constants."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.format(**values).encode())


def value(url: str, query: str) -> Any:
    """The only value that a query of ours gives."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


class Base:
    """A base of `leads` on a server that holds nothing else, and what can be done with it."""

    def __init__(self, server: EmbeddedPostgres, folder: Path, leads: int) -> None:
        self.server, self.folder, self.leads = server, folder, leads
        self.warehouse = Warehouse(url=as_role(server.url, "bevyly_pipeline"))
        self.shelf = Shelf(FolderStore(folder / "artefacts"))

    def prepare(self) -> None:
        """Settings of a server of this size, and the schema."""
        room = shutil.disk_usage(self.server.cluster).free
        if room < self.leads * DISK_OF_LEAD:
            raise SystemExit(f"{self.leads:,} leads want {self.leads * DISK_OF_LEAD / GIB:.0f} GiB of disk")
        limits = SERVER | {"temp_file_limit": f"{room // 2 // 2**20}MB"}
        sql(self.server.url, *[f"alter system set {name} = '{value}'" for name, value in limits.items()])
        self.server.stop()
        self.server.start()
        upgrade(self.server.url)

    def make(self) -> dict[str, int]:
        """All events."""
        *making, _ = statements()
        # as autovacuum would have: it also makes the index of blocks by sequence
        self._sql(*making, "vacuum analyze raw.events", now=NOW)
        return {"events": value(self.server.url, "select count(*) from raw.events")}

    def add(self, events: int, number: int) -> None:
        """New events of the round `number`."""
        self._sql(statements()[-1], now=NOW + number * BETWEEN, round=number, new=events)

    def _sql(self, *statements: str, now: datetime, **values: Any) -> None:
        values |= {"leads": self.leads, "tenants": TENANTS, "now": f"'{now.isoformat()}'"}
        sql(self.server.url, *statements, **values)

    def build(self, number: int, *arguments: str) -> dict[str, float]:
        """Build all models as of the round `number`; seconds of the slowest."""
        os.environ["BEVYLY_NOW"] = (NOW + number * BETWEEN).isoformat()
        run_dbt(["run", *arguments], target=self.folder, url=self.warehouse.address)
        results = json.loads((self.folder / "run_results.json").read_text())["results"]
        seconds = {result["unique_id"].rpartition(".")[2]: round(result["execution_time"], 2) for result in results}
        return dict(sorted(seconds.items(), key=lambda pair: -pair[1])[:SLOWEST])

    def train(self, score_type: str) -> dict[str, Any]:
        """One score of all tenants."""
        return train_score(self.warehouse, self.shelf, score_type, instant=NOW, reason="benchmark")

    def score(self) -> dict[str, Any]:
        """All scores of all undecided entities."""
        return {score_type: score_all(self.warehouse, self.shelf, score_type) for score_type in SCORE_TYPES}

    def steps(self, new: list[int], *, scored: bool) -> Iterator[Step]:
        """Everything in full, then a refresh after each number of new events; the first of them after none warms up."""
        yield "make", self.make
        yield "build", lambda: self.build(0, "--full-refresh")
        if scored:
            for score_type in SCORE_TYPES:
                yield f"train {score_type}", partial(self.train, score_type)
            yield "score", self.score
        for number, events in enumerate([0, *new], start=1):
            yield f"add {events}", partial(self.add, events, number)
            yield f"rebuild {events}", partial(self.build, number)
            if scored:
                yield f"rescore {events}", self.score


def measure(leads: int, new: list[int], *, scored: bool) -> dict[str, dict[str, float]]:
    """What each step costs at one size."""
    found: dict[str, dict[str, float]] = {}
    with throwaway_postgres() as server, tempfile.TemporaryDirectory(prefix="bevyly-scale-") as folder:
        base, meter = Base(server, Path(folder), leads), Meter(cluster=server.cluster)
        base.prepare()
        for name, step in base.steps(new, scored=scored):
            found[name], given = meter.measured(name, step)
            say(f"{leads:,} leads, {name}: {found[name]}")
            tell({"name": "scale_step", "leads": leads, "step": name} | found[name] | ({"of": given} if given else {}))
    return found


def costs(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """Core seconds of each step; of a build only PostgreSQL's, since dbt itself costs the same whatever changed."""
    part = {name: "server_core_seconds" if "build" in name else "core_seconds" for name in found}
    return {name: max(step[part[name]], 0.01) for name, step in found.items()}


def against_full(leads: int, cost: dict[str, float], new: list[int]) -> dict[str, Any]:
    """Refreshes against doing all again in the same run."""
    full = cost["build"] + cost.get("score", 0)
    refreshes = {events: cost[f"rebuild {events}"] + cost.get(f"rescore {events}", 0) for events in [0, *new]}
    most = max(refreshes)
    return {
        "name": "scale_refresh",
        "leads": leads,
        "full_core_seconds": round(full, 1),
        "refresh_core_seconds": {events: round(seconds, 1) for events, seconds in refreshes.items()},
        "ratio": {events: round(seconds / full, 3) for events, seconds in refreshes.items()},
        "core_ms_a_new_event": round((refreshes[most] - refreshes[0]) / most * 1000, 2) if most else None,
    }


def growth(by_size: dict[int, dict[str, float]]) -> dict[str, float]:
    """The exponent of leads that the cost of each step grows with, from the smallest size to the largest."""
    small, large = min(by_size), max(by_size)
    grown = {name: cost / by_size[small][name] for name, cost in by_size[large].items()}
    return {name: round(math.log(times) / math.log(large / small), 2) for name, times in grown.items()}


def main() -> None:
    """Measure the sizes that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("--leads", type=int, nargs="+", default=[10_000, 20_000, 40_000])
    parser.add_argument("--new", type=int, nargs="*", default=[100, 1_000, 10_000], help="new events before a refresh")
    parser.add_argument("--features", action="store_true", help="features only: no training, no scores")
    given = parser.parse_args()
    by_size = {}
    for leads in given.leads:
        by_size[leads] = costs(measure(leads, given.new, scored=not given.features))
        tell(against_full(leads, by_size[leads], given.new))
    if len(by_size) > 1:
        tell({"name": "scale_growth", "leads": sorted(by_size), "exponent": growth(by_size)})


if __name__ == "__main__":
    main()
