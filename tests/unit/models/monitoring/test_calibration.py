"""Stored scores against their outcomes: evidence lowers the display, its absence does not; the young wait."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from models.display import BAND, PROBABILITY, RULES
from models.monitoring.calibration import judge, mature
from models.schema import RECIPES

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def pairs(n: int, seed: int, off: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities as they were said, and outcomes of which the logit is `off`."""
    random = np.random.default_rng(seed)
    logit = random.normal(-0.8, 1.0, n)
    return 1 / (1 + np.exp(-logit)), (random.random(n) < 1 / (1 + np.exp(-logit - off))).astype(int)


def test_what_comes_true_is_left_alone() -> None:
    assert {judge(*pairs(300, seed), seed=seed).supports for seed in range(25)} == {PROBABILITY}


def test_what_is_off_is_a_band_and_what_is_worse_than_nothing_rules() -> None:
    assert judge(*pairs(300, 1, off=-0.9)).supports in (BAND, RULES)
    p, y = pairs(300, 2)
    assert judge(1 - p, y).supports == RULES


def test_a_few_pairs_say_nothing() -> None:
    found = judge(*pairs(99, 3))
    assert (found.supports, found.n, found.calm) == (None, 99, False)


def test_what_was_decided_soon_waits_for_the_others() -> None:
    """Losses come after 2 days and wins after 40: of the newest scores only losses are known."""
    made = [NOW - timedelta(days=day) for day in range(200, 0, -1)]
    won = [place % 2 == 0 for place in range(200)]
    decided = [at + timedelta(days=40 if one else 2) for at, one in zip(made, won, strict=True)]
    said = pl.DataFrame(
        {
            "as_of": made,
            "created_at": made,
            "probability": 0.5,
            "outcome": ["won" if one else "lost" for one in won],
            "decided_at": decided,
        }
    )
    known = said.filter(pl.col("decided_at") <= NOW)
    assert known["outcome"].eq("won").mean() < 0.46, "the bias that is avoided"
    kept = mature(RECIPES["conversion"], said, as_of=NOW)
    assert abs(kept["y"].mean() - 0.5) < 0.01
    assert kept["known_at"].max() <= NOW


def test_a_horizon_is_waited_for_and_judges_what_is_open() -> None:
    said = pl.DataFrame(
        {
            "as_of": [NOW - timedelta(days=day) for day in (31, 31, 29)],
            "created_at": [NOW - timedelta(days=40)] * 3,
            "probability": [0.5] * 3,
            "outcome": ["open", "won", "won"],
            "decided_at": [None, NOW - timedelta(days=5), NOW - timedelta(days=5)],
        }
    )
    kept = mature(RECIPES["intent"], said, as_of=NOW)
    assert sorted(kept["y"].to_list()) == [0, 1]
