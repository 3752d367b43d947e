"""What moves all deals at once: found where it is, not found where it is not, in doubt where little is known."""

from datetime import timedelta

import polars as pl
import pytest

from models.forecast.backtest import backtest
from models.forecast.dispersion import GUESS, MOST, correlation, replays, with_level_doubt
from tests.support.deals import START, Truth, make_deals, make_world


@pytest.mark.parametrize(("shock", "low", "high"), [(0.0, 0.0, 0.02), (0.5, 0.04, 0.4)])
def test_months_that_move_together_are_found(shock: float, low: float, high: float) -> None:
    marts = make_deals(months=30, a_month=150, truth=Truth(shock=shock), seed=5)
    months = replays(*marts, as_of=START + timedelta(days=28 * 28))
    assert months.height == 13
    assert months["expected"].sum() == pytest.approx(months["observed"].sum(), rel=0.25)
    assert low <= correlation(months) <= high


def test_few_months_leave_it_near_what_was_thought_before() -> None:
    nothing = replays(*make_deals(months=1), as_of=START + timedelta(days=28))
    assert nothing.is_empty()
    assert correlation(nothing) > GUESS / 2
    exact = pl.DataFrame({"observed": [50.0], "expected": [50.0], "variance": [40.0], "slope": [4000.0]})
    assert GUESS / 4 < correlation(exact) < correlation(nothing), "one good month proves little"
    assert correlation(pl.concat([exact] * 30)) < GUESS / 10
    assert correlation(exact.with_columns(observed=pl.lit(5000.0))) <= MOST


def test_whose_level_is_unknown_is_in_more_doubt() -> None:
    doubts = [with_level_doubt(0.02, outcomes) for outcomes in (0, 1, 10, 100, 1000)]
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[0] == pytest.approx(0.2)
    assert doubts[-1] < 0.025


def test_sums_lie_in_their_interval_eight_times_in_ten() -> None:
    """Ten tenants with rates and shocks of their own over fourteen months, each month forecast from what was known."""
    marts = make_world(10, seed=2, months=30, a_month=15)
    instants = [START + timedelta(days=28 * month) for month in range(14, 28)]
    told = backtest(*marts, instants=instants, days=28, retrain=4)
    held = (pl.col("low_minor") <= pl.col("won_minor")) & (pl.col("won_minor") <= pl.col("high_minor"))
    tenants, owners = (told.filter(pl.col("owner_id").is_null() == whole) for whole in (True, False))
    assert tenants.height == 140
    assert 0.74 <= tenants.select(held.mean()).item() <= 0.86
    assert 0.9 < tenants["expected_minor"].sum() / tenants["won_minor"].sum() < 1.1
    keys = ["customer_id", "at", "currency"]
    added = owners.group_by(keys).agg(pl.col("expected_minor", "won_minor", "deals").sum()).sort(keys)
    assert added.equals(tenants.sort(keys).select(added.columns)), "owners are the tenant, to the last cent"
