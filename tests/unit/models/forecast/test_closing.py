"""Time to close: censored deals count, few deals stay near the others, and chances are chances."""

import itertools
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models.forecast.closing import Closing, cumulated, guess
from models.forecast.grid import AGES, EDGES, PERIODS, quantiles
from models.forecast.landmarks import OPEN, WON, landmarks, standing
from tests.support.deals import START, Truth, make_deals

Marts = tuple[pl.DataFrame, pl.DataFrame]


def asked(tenant: str, *, stage: str = "proposal", age: float = 0.0) -> pl.DataFrame:
    return pl.DataFrame({"customer_id": [tenant], "stage": [stage], "age_days": [age]})


def shares(closing: Closing, frame: pl.DataFrame) -> np.ndarray:
    won, _ = closing.remaining(frame)
    return won / won[:, -1:]


def test_nothing_that_came_after_the_instant_is_read(world: Marts, then: datetime) -> None:
    snapshots, outcomes = world
    late = pl.col("decided_at") > then
    blind = outcomes.filter(pl.col("opened_at") <= then).with_columns(
        outcome=pl.when(late).then(pl.lit("open")).otherwise("outcome"),
        decided_at=pl.when(~late).then("decided_at"),
        value_minor=pl.when(late).then(-1).otherwise("value_minor"),
    )
    seen = landmarks(snapshots, outcomes, as_of=then)
    assert seen.equals(landmarks(snapshots.filter(pl.col("as_of") <= then), blind, as_of=then))
    assert seen.filter(pl.col("cause") == OPEN)["closed_at"].null_count() == (seen["cause"] == OPEN).sum() > 50
    assert (seen["closed_at"].drop_nulls() <= then).all()


def test_open_deals_are_as_they_were_last_looked_at(world: Marts, then: datetime) -> None:
    snapshots, outcomes = world
    rows = standing(snapshots, outcomes, at=then, as_of=then + timedelta(days=28))
    assert rows["opportunity_id"].n_unique() == rows.height > 50
    age = rows.select((pl.col("as_of") - pl.col("opened_at")).dt.total_microseconds() / 86_400e6).to_series()
    assert np.allclose(rows["age_days"], age)
    assert (rows["elapsed"] <= 28).all()


def test_chances_are_chances_at_every_stage_and_age(world: Marts, then: datetime) -> None:
    closing = Closing.fit(landmarks(*world, as_of=then))
    frame = pl.DataFrame(
        [
            {"customer_id": t, "stage": s, "age_days": a}
            for t in ("t0", "nobody")
            for s in ("proposal", "own words", None)
            for a in (0.0, 3.4, 90.0, 900.0)
        ]
    )
    won, lost = closing.remaining(frame)
    assert won.shape == lost.shape == (frame.height, PERIODS + 1)
    for chances in (won, lost):
        assert (np.diff(chances, axis=1) >= -1e-12).all()
        assert np.allclose(chances[:, 0], 0)
    assert ((won + lost)[:, -1] <= 1 + 1e-9).all()
    told = quantiles(won / won[:, -1:], np.linspace(0, 1, 21))
    assert (np.diff(told, axis=1) >= 0).all()
    assert told.max() <= EDGES[-1]


def test_censored_deals_are_not_taken_for_slow_or_left_out() -> None:
    """Half a year of deals that take months: those that are over already are the fast ones."""
    truth = Truth(won=0.004, lost=0.001, shock=0.0)
    snapshots, outcomes = make_deals(months=24, a_month=60, truth=truth)
    cut = START + timedelta(days=6 * 28)
    early = landmarks(snapshots, outcomes, as_of=cut)
    level = np.array([0.5])
    true = np.median(
        landmarks(snapshots, outcomes, as_of=START + timedelta(days=40 * 28)).filter(
            (pl.col("cause") == WON) & (pl.col("band") == 0)
        )["elapsed"]
    )
    naive = np.median(early.filter((pl.col("cause") == WON) & (pl.col("band") == 0))["elapsed"])
    frame = pl.DataFrame(
        {"customer_id": ["t1"], "stage": [None], "age_days": [0.0]}, schema_overrides={"stage": pl.String}
    )
    (((ours,),)) = quantiles(shares(Closing.fit(early), frame), level)
    assert naive < 0.75 * true
    assert abs(ours - true) < 0.5 * abs(naive - true)


def test_the_first_deals_move_a_tenant_a_little_and_many_move_it_wholly() -> None:
    """A tenant whose deals close at once, among others whose deals take two months; no number makes a jump."""
    fast, slow = Truth(won=0.2, lost=0.1, shock=0.0), Truth(won=0.008, lost=0.01, shock=0.0)
    others = [make_deals(tenant=f"s{place}", a_month=15, seed=place, truth=slow) for place in range(3)]
    mine = make_deals(tenant="mine", months=18, a_month=40, seed=9, truth=fast)
    medians = []
    for known in (0, 1, 2, 5, 10, 20, 50, 200):
        ids = mine[1]["opportunity_id"].head(known).to_list()
        parts = [
            *others,
            (mine[0].filter(pl.col("opportunity_id").is_in(ids)), mine[1].filter(pl.col("opportunity_id").is_in(ids))),
        ]
        rows = landmarks(
            pl.concat(p[0] for p in parts), pl.concat(p[1] for p in parts), as_of=START + timedelta(days=600)
        )
        medians.append(float(quantiles(shares(Closing.fit(rows), asked("mine")), np.array([0.5]))[0, 0]))
    assert all(later <= before + 1e-9 for before, later in itertools.pairwise(medians))
    assert medians[0] > 20
    assert medians[-1] < 4
    assert medians[0] - medians[1] < 5, "one deal is one deal"


def test_who_opted_out_neither_gives_nor_takes(world: Marts, then: datetime) -> None:
    rows = landmarks(*world, as_of=then)
    alone, out = (
        Closing.fit(rows.filter(pl.col("customer_id") == "t1"), opted_out=["t1"]),
        Closing.fit(rows, opted_out=["t1"]),
    )
    assert np.array_equal(alone.tenants["t1"], out.tenants["t1"])
    without = Closing.fit(rows.filter(pl.col("customer_id") != "t1"))
    assert np.array_equal(without.newcomer, out.newcomer)
    assert np.array_equal(without.tenants["t0"], out.tenants["t0"])
    assert not np.array_equal(out.newcomer, Closing.fit(rows).newcomer)


def test_without_anybody_there_is_a_wide_guess() -> None:
    won, lost = cumulated(guess()[:1])
    low, median, high = quantiles(won / won[:, -1:], np.array([0.1, 0.5, 0.9]))[0]
    assert low < 15
    assert 40 < median < 80
    assert high > 200
    assert won[0, -1] / (won + lost)[0, -1] == pytest.approx(0.25)


def test_a_deal_that_is_still_open_was_not_ended_since_its_landmark(world: Marts, then: datetime) -> None:
    """Its days are those of the landmark, given that they did not pass yet."""
    closing = Closing.fit(landmarks(*world, as_of=then))
    ages = AGES[3] + np.array([0.0, 20.0])
    frame = pl.concat(asked("t0", age=float(age)) for age in ages)
    won, lost = closing.remaining(frame)
    day = np.searchsorted(EDGES, 21.0)
    begun = float(np.interp(20.0, EDGES, won[0])), float(np.interp(20.0, EDGES, lost[0]))
    assert won[1, day] == pytest.approx((np.interp(41.0, EDGES, won[0]) - begun[0]) / (1 - sum(begun)), abs=1e-9)
