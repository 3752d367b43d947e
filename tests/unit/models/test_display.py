"""What a score may be shown as."""

import numpy as np
import pytest

from models import display, metrics


@pytest.fixture(scope="module")
def judged():
    random = np.random.default_rng(0)
    p = random.beta(2, 2, 3000)
    return (random.random(3000) < p).astype(int), p


def test_calibrated_is_a_probability(judged):
    assert display.decide(metrics.measure(*judged))[0] == display.PROBABILITY


def test_ranking_without_calibration_is_a_band(judged):
    y, p = judged
    shown, reason = display.decide(metrics.measure(y, np.clip(p - 0.12, 0, 1)))
    assert shown == display.BAND
    assert "ECE" in reason


def test_no_skill_or_no_evidence_is_rules(judged):
    y, p = judged
    assert display.decide(metrics.measure(y, p[::-1]))[0] == display.RULES
    assert display.decide(metrics.measure(y[:60], p[:60]))[0] == display.RULES
    assert display.decide(None)[0] == display.RULES
