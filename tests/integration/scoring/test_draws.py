"""What is learned from is bounded, even over time and blind to outcomes; what became known later is all there."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import polars as pl
import psycopg
import pytest

from models.later import known
from models.schema import RECIPES
from pipelines.resources import Warehouse
from pipelines.scoring import draws
from pipelines.scoring.draws import Draws
from tests.support.databases import Database
from tests.support.marts import NOW, START, make_marts

SIZES = {"large": 400, "small": 30}


@pytest.fixture
def warehouse(database: Database) -> Iterator[Warehouse]:
    parts = [make_marts(tenant=tenant, n=n, seed=n, moments=(0, 7)) for tenant, n in SIZES.items()]
    with psycopg.connect(database.pipeline_url) as connection:
        connection.execute("create schema marts")
    for place, name in enumerate(("lead_snapshots", "lead_outcomes")):
        frame = pl.concat(part[place] for part in parts)
        frame.write_database(f"marts.{name}", database.pipeline_url, engine="adbc", if_table_exists="replace")
    yield Warehouse(url=database.pipeline_url)


def of(warehouse: Warehouse, score_type: str = "conversion") -> Draws:
    return Draws(warehouse=warehouse, score_type=score_type)


def counts(frame: pl.DataFrame) -> dict[str, int]:
    return dict(frame.group_by("customer_id").agg(pl.col("lead_id").n_unique()).iter_rows())


def test_a_tenant_gives_so_many_entities_with_all_their_snapshots(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draws, "OWN", 100)
    snapshots, outcomes = of(warehouse).own("large")
    assert counts(outcomes) == {"large": 100}
    assert snapshots.height == 200
    assert set(snapshots["lead_id"]) == set(outcomes["lead_id"])
    again, _ = of(warehouse).own("large")
    assert set(again["lead_id"]) == set(snapshots["lead_id"])
    monkeypatch.setattr(draws, "OWN", 50)
    fewer, _ = of(warehouse).own("large")
    assert set(fewer["lead_id"]) < set(snapshots["lead_id"]), "those that were drawn stay"


def test_the_draw_is_even_over_time_and_blind_to_outcomes(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = of(warehouse).own("large")[1]
    monkeypatch.setattr(draws, "OWN", 200)
    drawn = of(warehouse).own("large")[1]
    halves = everything["created_at"] < everything["created_at"].median()
    newer = drawn.filter(pl.col("created_at") >= everything["created_at"].median()).height
    assert halves.sum() == 200
    assert 80 <= newer <= 120
    won = [(frame["outcome"] == "won").mean() for frame in (everything, drawn)]
    assert abs(won[0] - won[1]) < 0.1  # type: ignore[operator]  # a mean of booleans


@pytest.mark.parametrize(
    ("each", "together", "expected"),
    [(500, 500, SIZES), (100, 500, {"large": 100, "small": 30}), (100, 50, {"large": 25, "small": 25})],
)
def test_in_the_pool_each_gives_as_many_as_another(
    warehouse: Warehouse, each: int, together: int, expected: dict[str, int]
) -> None:
    snapshots, outcomes = of(warehouse).pool(list(SIZES), each=each, together=together)
    assert counts(snapshots) == counts(outcomes) == expected


@pytest.mark.parametrize("score_type", ["conversion", "intent"])
def test_what_became_known_later_is_all_there(warehouse: Warehouse, score_type: str) -> None:
    recipe, since = RECIPES[score_type], START + timedelta(days=60)
    everything: Any = of(warehouse, score_type).pool(list(SIZES), each=500, together=500)
    later = of(warehouse, score_type).later(list(SIZES), since)
    assert later[0].height < everything[0].height
    whole, part = (known(recipe, *marts, as_of=NOW).after(since).rows for marts in (everything, later))
    assert len(part.y) > 0
    assert part.frame.equals(whole.frame)
    assert (part.y == whole.y).all()
