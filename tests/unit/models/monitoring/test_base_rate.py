"""The watch of the base rate: run lengths as promised, by simulation; alarms that stay, and end by rule."""

import numpy as np
import pytest

from benchmarks.drift import BEFORE, SHIFTED, centre, false_alarms, story
from models.monitoring import base_rate


def outcomes(rate: float, n: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(n) < rate).astype(float)


def test_the_sums_are_those_of_the_definition() -> None:
    p, y = np.array([0.3, 0.3, 0.3, 0.3]), np.array([0.0, 0.0, 1.0, 0.0])
    expected, sums = 0.0, []
    for one in y:
        weight = np.log(0.5 / 0.85) if one else -np.log(0.85)
        expected = max(0.0, expected + weight)
        sums.append(expected)
    np.testing.assert_allclose(base_rate.sums(p, y, 0.5), sums)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.6])
def test_run_lengths_are_as_long_as_promised(rate: float) -> None:
    """A version that is right: the mean run of 300 simulated ones, cut at six times the promise."""
    arl, longest = 200.0, 1200
    p = np.full(longest, rate)
    h = base_rate.threshold(p, logit_error=0.0, arl=arl)
    runs = []
    for seed in range(300):
        reached = np.flatnonzero(base_rate.height(p, outcomes(rate, longest, seed)) >= h)
        runs.append(reached[0] + 1 if len(reached) else longest)
    assert 0.8 * arl < np.mean(runs) < 1.35 * arl


def test_a_version_that_knows_little_of_itself_alarms_later() -> None:
    p = np.full(100, 0.3)
    sure, unsure = (base_rate.threshold(p, logit_error=error, arl=1000.0) for error in (0.0, 0.2))
    assert unsure > 1.2 * sure


def test_an_alarm_says_which_way_and_stays_while_the_rate_does() -> None:
    p = np.full(800, 0.3)
    y = np.r_[outcomes(0.3, 200, 3), outcomes(0.15, 600, 4)]
    h = base_rate.threshold(p, logit_error=0.1, arl=2000.0)
    found = base_rate.watch(p, y, h=h)
    assert found.raised_at is not None
    assert 200 <= found.raised_at < 400
    assert found.fell is True
    assert base_rate.watch(1 - p, 1 - y, h=base_rate.threshold(1 - p, logit_error=0.1, arl=2000.0)).fell is False


def test_no_outcome_that_comes_later_moves_an_alarm() -> None:
    p = np.full(600, 0.3)
    y = np.r_[outcomes(0.3, 100, 5), outcomes(0.12, 500, 6)]
    h = base_rate.threshold(p, logit_error=0.1, arl=2000.0)
    raised = base_rate.watch(p, y, h=h).raised_at
    assert raised is not None
    for until in (raised + 1, raised + 50, raised + 150):
        assert base_rate.watch(p[:until], y[:until], h=h).raised_at == raised
    assert base_rate.watch(p[:raised], y[:raised], h=h).raised_at is None


def test_an_alarm_ends_once_a_hundred_outcomes_look_as_they_should() -> None:
    p = np.full(900, 0.3)
    y = np.r_[outcomes(0.1, 120, 7), np.tile([1.0, 0, 0, 1, 0, 0, 1, 0, 0, 0], 78)]
    h = base_rate.threshold(p, logit_error=0.1, arl=2000.0)
    raised = base_rate.watch(p[:120], y[:120], h=h).raised_at
    assert raised is not None
    assert base_rate.watch(p[: raised + 100], y[: raised + 100], h=h).raised_at == raised, "too few yet"
    assert base_rate.watch(p, y, h=h).raised_at is None


def test_a_fallen_base_rate_is_seen_the_display_falls_and_comes_back() -> None:
    """The fast version of `python -m benchmarks.drift`: 0.30 → 0.18 at 20 outcomes a week."""
    stories = [story(seed, taught=1_000, shift=centre(SHIFTED) - centre(BEFORE)) for seed in range(40)]
    seen = [one for one in stories if not one.false_alarm]
    assert len(seen) >= 36
    days = np.array([np.inf if one.alarm is None else one.alarm for one in seen])
    assert 20 <= np.median(days) <= 50
    assert np.quantile(days, 0.9) <= 100
    recovered = np.array([np.inf if one.recovered is None else one.recovered for one in seen])
    assert np.median(recovered) <= 110
    assert np.mean(np.isfinite(recovered)) >= 0.9


def test_nothing_is_seldom_taken_for_a_shift() -> None:
    """A year of 20 outcomes a week without any: one in five or six has a false alarm; 40 years cannot have 17."""
    assert false_alarms(40, taught=1_000)["years_with_a_false_alarm"] <= 0.4
