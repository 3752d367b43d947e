"""The newest rows weigh more only where a rate has moved for good."""

import numpy as np
import pytest

from models.calibration import AffineCalibrator, sigmoid
from models.recency import recency


def _factors(rates: list[float], *, seed: int = 1, each: int = 250) -> np.ndarray:
    """Factors where the rate was `rates`, block by block, and 0.4 was said of all."""
    random = np.random.default_rng(seed)
    n = each * len(rates)
    raw = random.normal(0.0, 1.0, n) + np.log(0.4 / 0.6)
    shift = np.repeat([np.log(rate / (1 - rate)) - np.log(0.4 / 0.6) for rate in rates], each)
    y = (random.random(n) < sigmoid(raw + shift)).astype(int)
    created = np.arange(n) * 3_600_000_000
    return recency(AffineCalibrator(), raw, y, weight=np.ones(n), created=created, later=np.arange(n) >= n // 5)


def test_a_rate_that_fell_and_stays_low_is_followed() -> None:
    factors = _factors([0.4, 0.4, 0.4, 0.1, 0.1])
    assert factors[-1] == pytest.approx(1.0)
    assert np.all(np.diff(factors) > 0)
    assert factors[250] < 0.2


@pytest.mark.parametrize("rates", [[0.4] * 5, [0.4, 0.3, 0.4, 0.5, 0.4], [0.4, 0.4, 0.4, 0.1, 0.4]])
def test_a_rate_that_moves_about_is_not(rates: list[float]) -> None:
    kept = [bool((_factors(rates, seed=seed) == 1.0).all()) for seed in range(20)]
    assert sum(kept) >= 19


def test_few_rows_prove_nothing() -> None:
    assert (_factors([0.4, 0.4, 0.1], each=40) == 1.0).all()
