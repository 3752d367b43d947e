"""The forecast's life on real PostgreSQL: trained, said of each open deal once, judged before a newer one is used."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import psycopg
import pytest

from bevyly.objects import FolderStore
from models.forecast.landmarks import standing
from pipelines.resources import Warehouse
from pipelines.scoring.due import reason_to_train
from pipelines.scoring.forecasting import Forecasts, forecast_all, judge_forecasts, train_forecast
from pipelines.scoring.shelf import Shelf
from tests.support.databases import Database
from tests.support.deals import START, make_deals

FIRST = START + timedelta(days=12 * 28)
Marts = tuple[pl.DataFrame, pl.DataFrame]


@dataclass(frozen=True)
class World:
    """Two tenants with deals; one of them keeps to itself."""

    database: Database
    warehouse: Warehouse
    store: FolderStore
    ours: str
    alone: str
    marts: Marts

    def shelf(self) -> Forecasts:
        return Shelf(self.store).forecasts()

    def at(self, instant: datetime) -> pl.DataFrame:
        """Build the marts as of an instant; the open deals."""
        snapshots, outcomes = self.marts
        over = pl.col("decided_at") <= instant
        known = outcomes.filter(pl.col("opened_at") <= instant).with_columns(
            outcome=pl.when(over).then("outcome").otherwise(pl.lit("open")), decided_at=pl.when(over).then("decided_at")
        )
        features = standing(snapshots, outcomes, at=instant, as_of=instant).drop(
            "cause", "elapsed", "closed_minor", "closed_at", "band"
        )
        tables = {
            "opportunity_snapshots": snapshots.filter(pl.col("as_of") <= instant),
            "opportunity_outcomes": known,
            "opportunity_features": features,
        }
        with psycopg.connect(self.database.pipeline_url) as connection:
            connection.execute("create schema if not exists marts")
        for name, frame in tables.items():
            frame.write_database(f"marts.{name}", self.database.pipeline_url, engine="adbc", if_table_exists="replace")
        return features

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows as the owner sees them."""
        with psycopg.connect(self.database.owner_url) as connection:
            return connection.execute(statement.encode(), parameters).fetchall()


@pytest.fixture
def world(database: Database, tmp_path: Path) -> Iterator[World]:
    ours, alone = database.add_tenant("ours"), database.add_tenant("alone")
    parts = [make_deals(tenant=tenant, months=16, a_month=20, seed=place) for place, tenant in enumerate((ours, alone))]
    short = pl.col("opportunity_id").str.tail(12) + pl.col("customer_id").str.tail(12)
    marts = tuple(pl.concat(part[place].with_columns(opportunity_id=short) for part in parts) for place in (0, 1))
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("update customers set pooling = false where id = %s", (alone,))
        for tenant in (ours, alone):
            connection.execute("insert into accounts (customer_id, id, name) values (%s, 'a', 'A')", (tenant,))
        deals = marts[1].select("customer_id", "opportunity_id").rows()
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into opportunities (customer_id, id, account_id, name, stage, stage_entered_at) "
                "values (%s, %s, 'a', 'd', 'proposal', now())",
                deals,
            )
    yield World(database, Warehouse(url=database.pipeline_url), FolderStore(tmp_path), ours, alone, marts)


def test_from_the_first_forecast_to_a_newer_one_that_was_judged(world: World) -> None:
    warehouse = world.warehouse
    open_deals = world.at(FIRST)
    assert reason_to_train(warehouse, world.shelf(), "forecast", FIRST) == "first model"
    assert forecast_all(warehouse, world.shelf())["looked_at"] == open_deals.height
    assert world.rows("select count(*) from opportunity_forecasts") == [(0,)], "nothing is said before there is a model"
    made = train_forecast(warehouse, world.shelf(), instant=FIRST, reason="first model")
    assert made["registered"] == 3, "one a tenant, and one for newcomers"
    assert reason_to_train(warehouse, world.shelf(), "forecast", FIRST) is None

    assert forecast_all(warehouse, world.shelf())["inserted"] == open_deals.height
    assert forecast_all(warehouse, world.shelf())["looked_at"] == 0, "what did not change is not said again"
    said = world.rows(
        "select f.basis, cardinality(close_days), cardinality(amounts_minor), v.customer_id = f.customer_id, "
        "amount_low_minor <= amount_median_minor and amount_median_minor <= amount_high_minor, "
        "close_low <= close_median and close_median <= close_high, close_low >= f.as_of::date "
        "from opportunity_forecasts f join model_versions v on v.id = f.model_version_id"
    )
    assert set(said) == {("history", 21, 20, True, True, True, True)}
    (card,) = world.rows("select card from model_versions where customer_id = %s", world.ours)[0]
    assert world.ours in card
    assert world.alone not in card
    (metrics,) = world.rows("select metrics from model_versions where customer_id is null")[0]
    assert set(metrics) <= {"dependence", "days_by", "decided"}

    later = FIRST + timedelta(days=8)
    world.at(later)
    reason = reason_to_train(warehouse, world.shelf(), "forecast", later)
    assert reason == "the last one is 8 days old"
    assert train_forecast(warehouse, world.shelf(), instant=later, reason=reason)["registered"] == 3
    states = "select status, count(*) from model_versions group by 1 order by 1"
    assert world.rows(states) == [("challenger", 3), ("champion", 3)], "nothing that works is replaced without proof"
    assert judge_forecasts(warehouse, world.shelf(), later) == {"promoted": 0, "refused": 0, "waiting": 0}

    end = later + timedelta(days=112)
    world.at(end)
    judged = judge_forecasts(warehouse, world.shelf(), end)
    assert judged["promoted"] >= 1
    told = world.rows("select judgement from model_versions where status = 'champion' and judgement is not null")
    assert len(told) == judged["promoted"]
    assert all(one["figures"]["crps"]["high"] <= 0.05 * one["figures"]["crps"]["first"] for (one,) in told)
    counts = forecast_all(warehouse, world.shelf())
    assert counts["retired"] + counts["replaced"] >= open_deals.height
    current = world.rows("select count(*) from opportunity_forecasts where is_current")
    assert current == world.rows("select count(*) from marts.opportunity_features")
    assert world.rows("select count(*) > %s from opportunity_forecasts", open_deals.height) == [(True,)], (
        "the series stays"
    )


def test_a_score_that_may_be_shown_is_what_the_forecast_goes_by(world: World) -> None:
    open_deals = world.at(FIRST)
    train_forecast(world.warehouse, world.shelf(), instant=FIRST, reason="first model")
    forecast_all(world.warehouse, world.shelf())
    tenant, deal = open_deals.select("customer_id", "opportunity_id").row(0)
    with psycopg.connect(world.database.pipeline_url) as connection:
        connection.execute(
            "insert into model_versions (id, customer_id, score_type, status, display, trained_display, n_rows, "
            "n_outcomes, metrics, card, artefact) "
            "values ('w', %s, 'win', 'champion', 'probability', 'probability', 1, 1, '{}', '', 'x')",
            (tenant,),
        )
        connection.execute(
            "insert into scores (customer_id, id, entity_type, entity_id, score_type, as_of, probability, "
            "probability_low, probability_high, logit, baseline_logit, points, rank, band, reasons, model_version_id, "
            "feature_hash) "
            "values (%s, 's', 'opportunity', %s, 'win', %s, 0.875, 0.8, 0.9, 1, 1, 88, 1, 'A', '[]', 'w', 'h')",
            (tenant, deal, FIRST),
        )
    one = "select basis, win_probability, score_id from opportunity_forecasts where opportunity_id = %s and is_current"
    assert forecast_all(world.warehouse, world.shelf())["inserted"] == 1
    assert world.rows(one, deal) == [("score", 0.875, "s")]
    with psycopg.connect(world.database.pipeline_url) as connection:
        connection.execute("update model_versions set display = 'band' where id = 'w'")
    assert forecast_all(world.warehouse, world.shelf())["inserted"] == 1
    ((basis, probability, score_id),) = world.rows(one, deal)
    assert (basis, score_id) == ("history", None)
    assert probability != 0.875


def test_what_is_said_is_made_again_from_the_artefact(world: World) -> None:
    features = world.at(FIRST)
    train_forecast(world.warehouse, world.shelf(), instant=FIRST, reason="first model")
    forecast_all(world.warehouse, world.shelf())
    exported = world.warehouse.read("select * from public.opportunity_forecasts")
    assert exported.height == features.height, "lists are read as the export reads them"
    stored = world.rows("select opportunity_id, close_days, amounts_minor from opportunity_forecasts order by 1")
    ((artefact, digest),) = world.rows("select distinct artefact, artefact_sha256 from model_versions")
    model = world.shelf().load({"artefact": artefact, "artefact_sha256": digest})
    again = model.score(features.with_columns(win_probability=pl.lit(None, pl.Float64))).sort("opportunity_id")
    assert again.select("opportunity_id", "close_days", "amounts_minor").rows() == stored
    assert orjson.dumps(model.version_id).decode().strip('"') in artefact
