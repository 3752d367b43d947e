"""On a simulated team with a known truth, over snapshots that dbt built: what means nothing is muted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import polars as pl
import pytest

from bevyly.datasets.dataset import Dataset
from bevyly.datasets.synthetic import Simulation, simulate
from bevyly.datasets.tenants import tenant_of
from models.patterns.history import history
from models.signals.detectors import going_dark
from models.signals.frames import Frames, habits
from models.signals.registry import DETECTORS, SIGNAL_TYPES
from models.signals.scoreboard import COUNTS, count
from models.signals.standing import FEEDBACK, judge
from tests.dbt.warehouse import Event, Warehouse

UNTIL = datetime(2026, 11, 20, 16, tzinfo=UTC)
MONTHS = 24
TENANT = "01a22000-0000-7000-8000-000000000036"
PLANTED = range(10)
GOOD, USELESS = (
    [replace(going_dark.DETECTOR, signal_type=f"{kind}_{i}", entity_types=("opportunity",)) for i in PLANTED]
    for kind in ("good", "useless")
)
MARTS = ("opportunity_snapshots", "opportunity_features", "opportunity_outcomes", "stage_norms")


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate(tenant_of("board", customer_id=TENANT), months=MONTHS, seed=11, until=UNTIL)


def events(dataset: Dataset) -> list[Event]:
    return [
        Event(
            dataset.tenant.customer_id, row["event_id"], row["type"], row["subject_id"], row["sequence"],
            row["occurred_at"], orjson.loads(row["data"]),
        )
        for row in dataset.events.iter_rows(named=True)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def marts(warehouse: Warehouse, simulation: Simulation) -> dict[str, pl.DataFrame]:
    warehouse.load(events(simulation.dataset))
    warehouse.dbt("run", "--select", *(f"+{mart}" for mart in MARTS), now=UNTIL.isoformat())
    tenant = simulation.dataset.tenant.customer_id
    found = {
        mart: warehouse.rows(f"select * from marts.{mart} where customer_id = %s order by 2, 3", (tenant,))
        for mart in MARTS
    }
    return {mart: pl.DataFrame(rows, infer_schema_length=None) for mart, rows in found.items()}


def past(marts: dict[str, pl.DataFrame], *, as_of: datetime) -> pl.DataFrame:
    now = Frames(opportunities=marts["opportunity_features"], stage_norms=marts["stage_norms"])
    snapshots = Frames(opportunities=marts["opportunity_snapshots"], stage_norms=marts["stage_norms"])
    outcomes = marts["opportunity_outcomes"]
    return history(snapshots, outcomes, "opportunity", as_of=as_of, known_habits=habits(now))


def planted(rows: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """With detectors that know who is likely to be lost and others that draw lots, all wrong often enough."""
    odds = truth.select(entity_id="opportunity_id", poor=pl.col("logit") < pl.col("logit").median())
    known = rows.join(odds, on="entity_id", maintain_order="left")
    lots = {i: pl.struct("entity_id", "moment").hash(seed=i) % 100 for i in range(2 * len(PLANTED))}
    good = {f"good_{i}": pl.when("poor").then(lots[i] < 40).otherwise(lots[i] < 8) for i in PLANTED}
    return known.with_columns(**good, **{f"useless_{i}": lots[len(PLANTED) + i] < 30 for i in PLANTED})


def standing(rows: pl.DataFrame) -> dict[str, dict[str, Any]]:
    counts = count({"opportunity": rows}, (*DETECTORS, *GOOD, *USELESS))
    nobody = pl.DataFrame(schema={"customer_id": pl.String, "signal_type": pl.String})
    judged = judge(counts, pl.DataFrame(schema=FEEDBACK), nobody, pl.DataFrame(schema=COUNTS))
    return {row["signal_type"]: row for row in judged.to_dicts()}


def test_planted_useless_detectors_are_muted_and_good_ones_are_kept(
    marts: dict[str, pl.DataFrame], simulation: Simulation
) -> None:
    found = standing(planted(past(marts, as_of=UNTIL), simulation.truth))
    useless, good = ([found[f"{kind}_{i}"] for i in PLANTED] for kind in ("useless", "good"))
    assert all(300 < row["votes"] < row["n"] for row in useless)
    assert not any(row["muted"] for row in good)
    assert sum(row["muted"] for row in useless) >= 3, "with so many cases some of them can be told"
    assert all(row["lift_low"] < 1.05 for row in useless)
    assert all(row["lift_low"] > 1 for row in good)
    for signal_type in ("going_dark", "deal_stalled", "committee_surge", "champion_left"):
        assert not found[signal_type]["muted"], "the truth makes silent deals lose, and many people win"
        assert found[signal_type]["lift_low"] > 1
    low, middle, high = (found["going_dark"][name] for name in ("lead_days_low", "lead_days", "lead_days_high"))
    assert low < middle < high


def test_nothing_that_was_decided_or_seen_later_counts(marts: dict[str, pl.DataFrame], simulation: Simulation) -> None:
    earlier = UNTIL - timedelta(days=200)
    rows = planted(past(marts, as_of=earlier), simulation.truth)
    assert rows["decided_at"].max() <= earlier
    assert (rows["as_of"] < rows["decided_at"]).all()
    then, now = standing(rows), standing(planted(past(marts, as_of=UNTIL), simulation.truth))
    assert 0 < then["good_0"]["n"] < now["good_0"]["n"]


def test_a_simulated_team_shows_every_kind_of_signal_of_deals(marts: dict[str, pl.DataFrame]) -> None:
    rows = past(marts, as_of=UNTIL)
    shown = {name for name in SIGNAL_TYPES if name in rows.columns and rows[name].any()}
    expected = {d.signal_type for d in DETECTORS if "opportunity" in d.entity_types and d.polarity is not None}
    # simulated teams own what they work on and record amounts; their close dates only slip
    assert expected - shown <= {"ownership_gap", "missing_data", "close_date_pulled_in"}
