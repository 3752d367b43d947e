"""Metrics against scikit-learn and against worked examples."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from models import metrics


@pytest.fixture(scope="module")
def judged():
    random = np.random.default_rng(3)
    p = np.round(random.beta(2, 3, 1500), 2)
    return (random.random(1500) < p).astype(int), p


def test_agrees_with_scikit_learn(judged):
    y, p = judged
    found = metrics.measure(y, p)
    assert found.auc.value == pytest.approx(roc_auc_score(y, p))
    assert found.pr_auc.value == pytest.approx(average_precision_score(y, p))
    assert found.brier.value == pytest.approx(brier_score_loss(y, p), abs=1e-6)
    assert metrics.auc(y, p) == pytest.approx(roc_auc_score(y, p))


def test_intervals_hold_the_value_and_narrow_with_rows(judged):
    y, p = judged
    wide, narrow = metrics.measure(y[:150], p[:150]).auc, metrics.measure(y, p).auc
    assert narrow.low < narrow.value < narrow.high
    assert narrow.high - narrow.low < wide.high - wide.low


def test_ece_is_noise_when_calibrated_and_the_bias_when_not(judged):
    y, p = judged
    honest, shifted = metrics.measure(y, p), metrics.measure(y, np.clip(p + 0.2, 0, 1))
    assert honest.ece.value < 2 * honest.ece_noise
    assert shifted.ece.value == pytest.approx(0.2, abs=0.03)


def test_lift_of_a_perfect_and_of_a_constant_score():
    y = np.array([1] * 10 + [0] * 90)
    assert metrics.measure(y, y * 1.0).lift.value == pytest.approx(10.0)
    assert metrics.measure(y, np.full(100, 0.1)).lift.value == pytest.approx(1.0, abs=1e-5)


def test_resampling_whole_groups_widens_the_interval(judged):
    y, p = judged
    tenfold = [np.repeat(values[:150], 10) for values in (y, p, np.arange(150))]
    rows, groups = metrics.measure(*tenfold[:2]).auc, metrics.measure(*tenfold[:2], groups=tenfold[2]).auc
    assert groups.high - groups.low > 2 * (rows.high - rows.low)


def test_reliability_rows_cover_all_rows_in_order(judged):
    rows = metrics.reliability(*judged)
    assert sum(row["n"] for row in rows) == 1500
    predicted = [row["predicted"] for row in rows]
    assert predicted == sorted(predicted)
    assert all(row["low"] <= row["observed"] <= row["high"] for row in rows)


def test_one_class_gives_nan_not_an_error():
    assert np.isnan(metrics.measure(np.ones(50), np.linspace(0, 1, 50)).auc.value)


def test_where_all_scores_are_equal_the_error_is_that_of_the_mean_in_any_order():
    y = np.r_[np.ones(60), np.zeros(140)]
    assert metrics.measure(y, np.full(200, 0.4), draws=2).ece.value == pytest.approx(0.1)
    assert metrics.measure(y[::-1], np.full(200, 0.4), draws=2).ece.value == pytest.approx(0.1)
