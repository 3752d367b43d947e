"""The worth of a ranking that was never live: right on average, with intervals that hold what they promise."""

import numpy as np
import polars as pl
import pytest

from models.ranking.off_policy import CHANCES_SCHEMA, NOTHING, OFFERS_SCHEMA, Worth, worth

ACTIONS = ("call", "draft_email", "book_meeting")
LIVE = {"call": 0.75, "draft_email": 0.1, "book_meeting": 0.1, NOTHING: 0.05}


def rewards(kind: np.ndarray) -> np.ndarray:
    """The chance of something good by kind of case (0, 1) and action, nothing last."""
    return np.array([[0.30, 0.20, 0.10, 0.15], [0.20, 0.25, 0.50, 0.15]])[kind]


def lived(seed: int, size: int) -> tuple[pl.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    kind = random.integers(0, 2, size)
    choice = random.choice(len(LIVE), size=size, p=list(LIVE.values()))
    reward = random.random(size) < rewards(kind)[np.arange(size), choice]
    names = np.array(list(LIVE))
    offers = pl.DataFrame(
        {
            "case": [f"c{n}" for n in range(size)], "offered": names[choice],
            "propensity": np.array(list(LIVE.values()))[choice], "reward": reward.astype(float),
        },
        schema=OFFERS_SCHEMA,
    )  # fmt: skip
    return offers, kind


def live(offers: pl.DataFrame) -> pl.DataFrame:
    return offers.select("case").join(pl.DataFrame({"action": list(LIVE), "chance": list(LIVE.values())}), how="cross")


def ranking(offers: pl.DataFrame, actions: list[str]) -> pl.DataFrame:
    return offers.select("case").with_columns(pl.Series("action", actions), chance=1.0).cast(CHANCES_SCHEMA)


def by_kind(offers: pl.DataFrame, kind: np.ndarray) -> pl.DataFrame:
    """A better ranking: meetings where they help."""
    return ranking(offers, ["book_meeting" if one else "call" for one in kind])


def found(offers: pl.DataFrame, chances: pl.DataFrame) -> Worth:
    result = worth(offers, chances, live(offers))
    assert result is not None
    return result


def test_intervals_cover_the_true_worth_at_their_level() -> None:
    inside = ahead = 0
    usual = 0.5 * (rewards(np.array([0, 1])) @ np.array(list(LIVE.values()))).sum()
    for seed in range(200):
        offers, kind = lived(seed, 1500)
        result = found(offers, by_kind(offers, kind))
        # each half of the cases as it fell out, so that the truth is that of these cases
        truth = 0.30 * float((kind == 0).mean()) + 0.50 * float((kind == 1).mean())
        inside += result.low <= truth <= result.high
        ahead += result.ahead_low <= 0.4 - usual <= result.ahead_high
    assert 0.84 <= inside / 200 <= 0.96
    assert 0.84 <= ahead / 200 <= 0.96


def test_a_better_ranking_is_told_from_the_live_one() -> None:
    offers, kind = lived(1, 6000)
    result = found(offers, by_kind(offers, kind))
    assert result.ahead_low > 0
    assert result.support == 1.0
    assert result.cases == 6000


def test_the_live_ranking_is_worth_what_it_was() -> None:
    offers, _ = lived(2, 3000)
    result = found(offers, live(offers))
    assert result.value == pytest.approx(offers["reward"].mean(), abs=0.005)
    assert (result.ahead, result.ahead_low, result.ahead_high) == (0.0, 0.0, 0.0)


def test_a_plain_mean_of_equal_offers_would_deceive() -> None:
    """Why offers are weighed: those of one action are a biased sample of cases where people were chosen by kind."""
    random = np.random.default_rng(5)
    size = 6000
    kind = random.integers(0, 2, size)
    meeting = np.where(kind == 1, 0.8, 0.1)
    offered = random.random(size) < meeting
    reward = random.random(size) < rewards(kind)[np.arange(size), np.where(offered, 2, 0)]
    offers = pl.DataFrame(
        {
            "case": [f"c{n}" for n in range(size)], "offered": np.where(offered, "book_meeting", "call"),
            "propensity": np.where(offered, meeting, 1 - meeting), "reward": reward.astype(float),
        },
        schema=OFFERS_SCHEMA,
    )  # fmt: skip
    chosen = pl.DataFrame({"case": offers["case"], "book_meeting": meeting, "call": 1 - meeting})
    usual = chosen.unpivot(index="case", variable_name="action", value_name="chance")
    result = worth(offers, ranking(offers, ["book_meeting"] * size), usual)
    assert result is not None
    plain = offers.filter(pl.col("offered") == "book_meeting")["reward"].mean()
    assert isinstance(plain, float)
    assert result.low <= 0.30 <= result.high
    assert plain > result.high


def test_what_was_never_offered_has_no_support() -> None:
    offers, _ = lived(3, 500)
    assert worth(offers, ranking(offers, ["add_contact"] * 500), live(offers)) is None
    half = ranking(offers, ["add_contact", "call"] * 250)
    assert found(offers, half).support == 0.5
    assert worth(offers.clear(), half, live(offers)) is None
