"""Sums of deals: parts are the whole, chances are chances, and the interval is that of the joint distribution."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.forecast.sums import LEVEL, SHARES, Deals, expected, interval, sums
from models.forecast.sums import given as chance_given


def make(n: int, seed: int) -> Deals:
    random = np.random.default_rng(seed)
    days = np.sort(random.choice([0.0, 3.0, 10.0, 45.5, 200.0, 728.0], (n, len(SHARES))), axis=1)
    amounts = np.sort(np.rint(random.lognormal(8, 2, (n, 20))).astype(np.int64), axis=1)
    return Deals(probability=random.random(n), days=days, amounts=amounts)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 40),
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.floats(0, 900), min_size=1, max_size=12),
    owners=st.integers(1, 5),
)
def test_periods_and_owners_are_the_whole_to_the_last_minor_unit(
    n: int, seed: int, cuts: list[float], owners: int
) -> None:
    deals = make(n, seed)
    bounds = [-np.inf, *sorted(cuts), np.inf]
    owner = np.random.default_rng(seed).integers(owners, size=n)
    total = expected(deals, np.full(n, -np.inf), np.full(n, np.inf))
    parts = [expected(deals, np.full(n, a), np.full(n, b)) for a, b in itertools.pairwise(bounds)]
    assert (np.sum(parts, axis=0) == total).all()
    assert all((part >= 0).all() for part in parts)
    whole = parts[0].sum()
    own = [deals.of(np.flatnonzero(owner == one)) for one in range(owners)]
    assert (
        sum(int(expected(d, np.full(len(d.days), -np.inf), np.full(len(d.days), bounds[1])).sum()) for d in own)
        == whole
    )
    assert np.abs(total - deals.probability * deals.amounts.mean(axis=1)).max() <= 0.5


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), days=st.lists(st.floats(-5, 800), min_size=2, max_size=30))
def test_chances_rise_with_days_from_nothing_to_the_probability(seed: int, days: list[float]) -> None:
    deals = make(6, seed)
    by = np.stack([deals.won_by(np.full(6, day)) for day in sorted(days)])
    assert (np.diff(by, axis=0) >= 0).all()
    assert (by >= 0).all()
    assert (by <= deals.probability + 1e-12).all()
    assert (deals.won_by(np.full(6, -0.1)) == 0).all()
    assert np.allclose(deals.won_by(np.full(6, np.inf)), deals.probability)


def test_the_shared_factor_leaves_each_chance_and_widens_the_sum() -> None:
    factor = np.random.default_rng(0).standard_normal(400_000)
    for chance in (0.02, 0.3, 0.9):
        assert chance_given(np.array(chance), factor, 0.2).mean() == pytest.approx(chance, abs=0.002)
    deals = make(1_500, 3)
    alone, together = (sums(deals, deals.probability / 2, dependence=rho, draws=20_000) for rho in (0.0, 0.2))
    mean = (deals.probability / 2 * deals.amounts.mean(axis=1)).sum()
    assert alone.mean() == pytest.approx(mean, rel=0.02)
    assert together.mean() == pytest.approx(mean, rel=0.02)
    square = (deals.amounts.astype(float) ** 2).mean(axis=1)
    spread = np.sqrt((deals.probability / 2 * square - (deals.probability / 2 * deals.amounts.mean(axis=1)) ** 2).sum())
    assert alone.std() == pytest.approx(spread, rel=0.05), "also of deals beyond those that are drawn one by one"
    assert together.std() > 1.7 * alone.std()


def test_an_interval_is_the_same_twice_and_that_of_the_exact_law() -> None:
    """Of three deals of one amount each: eight sums, whose chances are known."""
    deals = Deals(
        probability=np.array([0.5, 0.5, 0.5]),
        days=np.zeros((3, len(SHARES))),
        amounts=np.array([[10] * 20, [20] * 20, [40] * 20]),
    )
    start, end = np.full(3, -np.inf), np.full(3, np.inf)
    low, high = interval(deals, start, end, dependence=0.0)
    assert (low, high) == interval(deals, start, end, dependence=0.0)
    assert (low, high) == (0, 70), "of eight sums with one eighth each"
    assert LEVEL == 0.8
    assert interval(deals, end, end, dependence=0.0) == (0, 0)
