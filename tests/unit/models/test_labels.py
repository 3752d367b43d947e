"""What counts as an outcome, and when."""

from datetime import timedelta

import polars as pl
import pytest

from models.errors import MissingColumns
from models.labels import label
from models.schema import RECIPES


def test_open_entities_and_later_decisions_are_left_out(marts, now):
    snapshots, outcomes = marts(n=100)
    open_half = outcomes.with_columns(
        outcome=pl.when(pl.int_range(pl.len()) < 50).then("outcome").otherwise(pl.lit("open"))
    )
    assert label(RECIPES["conversion"], snapshots, open_half, as_of=now).entities == 50
    early = outcomes["decided_at"].sort()[29]
    assert label(RECIPES["conversion"], snapshots, outcomes, as_of=early, young=True).entities == 30


def test_snapshots_after_the_decision_are_left_out(marts, now):
    snapshots, outcomes = marts(n=50, moments=(0, 7, 28))
    found = label(RECIPES["conversion"], snapshots, outcomes, as_of=now)
    assert sorted(found.frame["age_days"].unique()) == [0.0, 7.0]


def test_young_entities_wait_for_the_usual_decision_time(marts):
    snapshots, outcomes = marts(n=400)
    as_of = outcomes["created_at"][350]
    found = label(RECIPES["conversion"], snapshots, outcomes, as_of=as_of)
    assert found.frame["created_at"].max() <= as_of - timedelta(days=20)


def test_where_nothing_is_open_nothing_is_waited_for(marts):
    snapshots, outcomes = marts(n=400)
    at = outcomes["created_at"].max() + timedelta(days=1)
    all_at_once = outcomes.with_columns(decided_at=pl.lit(at))
    assert label(RECIPES["conversion"], snapshots, all_at_once, as_of=at).entities == 400
    place = pl.int_range(pl.len())
    open_ones = all_at_once.with_columns(
        outcome=pl.when(place.is_in([300, 350])).then(pl.lit("open")).otherwise("outcome")
    )
    found = label(RECIPES["conversion"], snapshots, open_ones, as_of=at)
    assert found.frame["created_at"].max() == outcomes["created_at"][299]


def test_horizon_counts_only_wins_in_time_and_snapshots_old_enough(marts):
    snapshots, outcomes = marts(n=400, moments=(0,))
    late = outcomes.with_columns(decided_at=pl.col("created_at") + pl.duration(days=40))
    as_of = outcomes["created_at"][300]
    in_time, too_late = (label(RECIPES["intent"], snapshots, known, as_of=as_of) for known in (outcomes, late))
    assert in_time.frame["as_of"].max() <= as_of - timedelta(days=30)
    assert in_time.y.mean() > 0.2
    assert too_late.y.sum() == 0


def test_labels_do_not_travel_with_the_features(marts, now):
    snapshots, outcomes = marts(n=50)
    assert label(RECIPES["conversion"], snapshots, outcomes, as_of=now).frame.columns == snapshots.columns


def test_missing_outcome_columns_are_named(marts, now):
    snapshots, outcomes = marts(n=5)
    with pytest.raises(MissingColumns):
        label(RECIPES["conversion"], snapshots, outcomes.drop("decided_at"), as_of=now)
