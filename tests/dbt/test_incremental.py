"""Whatever way the events came in, the marts hold what a full build over all of them would.

BEVYLY_HISTORIES says how many random histories, each a tenant of its own; all are built in the same runs.
"""

import os
from datetime import datetime, timedelta

import pytest

from bevyly.ids import new_id
from tests.dbt.histories import START, History, shuffled
from tests.dbt.warehouse import MARTS, Warehouse

HISTORIES = int(os.environ.get("BEVYLY_HISTORIES", "6"))
# the clock of each run, in days since the start: twice within a day, over a night, over weeks, and back
CLOCKS = (20.0, 20.3, 21.0, 45.0, 70.0)


def at(days: float) -> datetime:
    return START + timedelta(days=days)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1])
def test_incremental_runs_equal_a_full_refresh(warehouse: Warehouse, seed: int) -> None:
    tenants, twin = [new_id() for _ in range(HISTORIES)], new_id()
    histories = [History(tenant, seed=f"{seed}/{number}").generate() for number, tenant in enumerate(tenants)]
    histories.append(shuffled(histories[0], twin, seed=seed))
    arrivals = sorted((pair for history in histories for pair in history), key=lambda pair: (pair[0], pair[1].event_id))
    # each run comes a little late: it finds rows that were recorded after its own `now`
    until = [at(clock + 0.4) for clock in CLOCKS[:-1]] + [at(999)]
    since, described = at(-999), []
    for clock, horizon in zip(CLOCKS, until, strict=True):
        warehouse.load(event for arrival, event in arrivals if since < arrival <= horizon)
        since = horizon
        warehouse.dbt("run", now=at(clock).isoformat())
        described.append(_described(warehouse))
    _tables_are_described_once(described[0], described[-1])
    _equals_full_refresh(warehouse, now=at(CLOCKS[-1]), seed=seed)
    _equal_each_other(warehouse, tenants[0], twin, seed=seed)

    warehouse.dbt("run", now=at(45.0).isoformat())
    _equals_full_refresh(warehouse, now=at(45.0), seed=seed)


def _described(warehouse: Warehouse) -> dict[str, str]:
    """Which transaction last wrote what the catalogue says of each table, apart from statistics."""
    statement = (
        "select oid::text, xmin::text from pg_class "
        "where relnamespace::regnamespace::text in ('intermediate', 'marts') and relkind = 'r'"
    )
    return {row["oid"]: row["xmin"] for row in warehouse.rows(statement)}


def _tables_are_described_once(first: dict[str, str], last: dict[str, str]) -> None:
    """An autovacuum that waits for such a row holds the lock that the run's own `analyze` waits for."""
    kept = first.keys() & last.keys()
    assert len(kept) > 20
    assert {oid for oid in kept if first[oid] != last[oid]} == set()


def _equals_full_refresh(warehouse: Warehouse, *, now: datetime, seed: int) -> None:
    incremental = warehouse.contents()
    warehouse.dbt("run", "--full-refresh", now=now.isoformat())
    full = warehouse.contents()
    assert all(full.values()), f"seed {seed}: a mart without rows proves nothing"
    for mart in MARTS:
        assert incremental[mart] == full[mart], f"seed {seed}: {mart}"


def _equal_each_other(warehouse: Warehouse, one: str, twin: str, *, seed: int) -> None:
    """Two tenants with the same events have the same marts, in whatever order and how often the events came in."""
    found = {mart: [warehouse.nameless(mart, tenant) for tenant in (one, twin)] for mart in MARTS}
    for mart, (rows, twins) in found.items():
        assert twins == rows, f"seed {seed}: {mart}"
    empty = [mart for mart, (rows, _) in found.items() if not rows]
    assert len(empty) < len(MARTS) / 3, f"seed {seed}: {', '.join(empty)} without rows prove nothing"
