"""Amounts at the close: learned from changes, wide at first, the mean kept to the last place of the atoms."""

import itertools
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models.forecast.amounts import ATOMS, CENTRES, Amounts, atoms, guess, quantiles
from models.forecast.judging import LEVELS, covered
from models.forecast.landmarks import landmarks
from tests.support.deals import START, Truth, make_deals

Marts = tuple[pl.DataFrame, pl.DataFrame]


def law_of(rows: pl.DataFrame, tenant: str) -> np.ndarray:
    frame = pl.DataFrame({"customer_id": [tenant], "stage": ["proposal"], "age_days": [0.0]})
    return Amounts.fit(rows).laws(frame)


def test_a_law_is_a_law_and_its_atoms_keep_its_mean(world: Marts, then: datetime) -> None:
    laws = np.concatenate(
        [guess()[None], law_of(landmarks(*world, as_of=then), "t0"), law_of(landmarks(*world, as_of=then), "x")]
    )
    assert np.allclose(laws.sum(axis=1), 1)
    assert (laws >= 0).all()
    assert (np.diff(quantiles(laws, np.linspace(0.01, 0.99, 50)), axis=1) >= 0).all()
    found = atoms(laws)
    assert found.shape == (3, ATOMS)
    assert (np.diff(found, axis=1) >= -1e-12).all()
    assert np.allclose(found.mean(axis=1), laws @ np.exp(CENTRES))
    assert found[0].mean() == pytest.approx(1.0, abs=1e-6)


def test_later_amounts_lie_in_the_interval_eight_times_in_ten() -> None:
    snapshots, outcomes = make_deals(months=24, a_month=60, truth=Truth(ratio=0.3))
    cut = START + timedelta(days=12 * 28)
    law = Amounts.fit(landmarks(snapshots, outcomes, as_of=cut))
    later = landmarks(snapshots, outcomes, as_of=START + timedelta(days=40 * 28)).filter(
        (pl.col("opened_at") > cut) & pl.col("closed_minor").is_not_null() & (pl.col("band") == 0)
    )
    ratio = (later["closed_minor"] / later["value_minor"]).to_numpy()
    assert later.height > 200
    assert 0.75 < covered(quantiles(law.laws(later), LEVELS), ratio).mean() < 0.87


def test_it_is_wide_without_history_and_narrows_with_each_deal() -> None:
    """Of a tenant whose amounts never change."""
    snapshots, outcomes = make_deals(months=12, a_month=40, truth=Truth(ratio=0.0))
    rows = landmarks(snapshots, outcomes, as_of=START + timedelta(days=900)).filter(
        pl.col("closed_minor").is_not_null() & (pl.col("band") == 0)
    )
    widths = []
    for known in (0, 1, 3, 10, 100):
        low, _, high = quantiles(law_of(rows.head(known), "t1"), np.array([0.05, 0.5, 0.95]))[0]
        widths.append(high - low)
    assert widths[0] > 0.8
    assert all(later <= before for before, later in itertools.pairwise(widths))
    assert widths[-1] == 0


def test_another_currency_at_the_close_teaches_nothing() -> None:
    snapshots, outcomes = make_deals(months=6)
    rows = landmarks(snapshots, outcomes.with_columns(currency=pl.lit("USD")), as_of=START + timedelta(days=900))
    assert rows["closed_minor"].null_count() == rows.height
    assert Amounts.fit(rows).tenants == {}
