"""The affine map: data where there is data, prior where there is none, never reversed."""

import numpy as np
import pytest

from models.calibration import AffineCalibrator, sigmoid


def drawn(n, offset, slope, seed=0):
    random = np.random.default_rng(seed)
    raw = random.normal(size=n)
    return raw, (random.random(n) < sigmoid(offset + slope * raw)).astype(int)


def test_finds_the_truth_with_many_rows():
    found = AffineCalibrator().fit(*drawn(20_000, -1.0, 0.5))
    assert (found.offset_, found.slope_) == pytest.approx((-1.0, 0.5), abs=0.05)


def test_is_the_prior_without_rows():
    found = AffineCalibrator(offset=0.3, offset_sd=0.8).fit(np.empty(0), np.empty(0))
    assert (found.offset_, found.slope_) == (0.3, 1.0)
    assert found.covariance_[0, 0] == pytest.approx(0.64)


def test_moves_from_prior_to_data_without_a_jump():
    raw, y = drawn(400, -2.0, 1.0)
    offsets = [AffineCalibrator().fit(raw[:n], y[:n]).offset_ for n in range(400)]
    assert max(abs(np.diff(offsets))) < 0.5
    assert abs(offsets[-1] + 2.0) < 0.4


def test_never_turns_the_ranking_round():
    raw, y = drawn(5_000, 0.0, -1.0)
    assert AffineCalibrator().fit(raw, y).slope_ == 0.0


def test_without_skill_the_slope_collapses():
    raw, _ = drawn(5_000, 0.0, 1.0)
    y = (np.random.default_rng(5).random(5_000) < 0.6).astype(int)
    assert AffineCalibrator().fit(raw, y).slope_ < 0.1
