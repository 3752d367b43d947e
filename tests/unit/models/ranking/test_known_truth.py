"""Teams whose truth is known: what an action is said to be worth is what it is worth, and the order follows it."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from models.ranking.effects import estimate
from models.ranking.value import MINUTE_COST_MINOR, shifted, with_value

NOW = datetime(2026, 6, 1, tzinfo=UTC)
# What each action truly adds to the log-odds, and how the past chose whom to act on: by interest, for each otherwise.
TRUTH = {"call": 0.35, "draft_email": 0.10, "book_meeting": 0.55}
CHOICE = {"call": 0.8, "draft_email": 0.3, "book_meeting": 1.1}
FLAGS = {"call": "call_7d", "draft_email": "email_7d", "book_meeting": "meeting_7d"}
MINUTES = {"call": 10.0, "draft_email": 4.0, "book_meeting": 45.0}
PAST, OPEN, BUDGET = 20_000, 4_000, 200
TEAMS = ("t1", "t2")


def _team(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The decided deals of a team with what was done on them; and its open deals with their true log-odds."""
    random = np.random.default_rng(seed)
    size = PAST + OPEN
    interest, score = random.normal(size=size), random.normal(-0.8, 0.9, size)
    true = score + 0.5 * interest  # interest is known to the seller and recorded, but the score made little of it
    acted = {name: random.random(size) < 1 / (1 + np.exp(-(slope * interest - 0.5))) for name, slope in CHOICE.items()}
    odds = true + sum(TRUTH[name] * did for name, did in acted.items())
    frame = pl.DataFrame(
        {
            "customer_id": f"t{seed}", "entity_type": "opportunity", "entity_id": [f"o{n}" for n in range(size)],
            "as_of": NOW, "logit": score, "engagement_decayed": np.exp(interest), "true": true,
            "won": random.random(size) < 1 / (1 + np.exp(-odds)), "amount": np.exp(random.normal(13.5, 1.0, size)),
            "days_since_last_inbound": random.exponential(9.0, size),
            **{FLAGS[name]: did for name, did in acted.items()},
        }
    )  # fmt: skip
    return frame.head(PAST).drop("true"), frame.tail(OPEN)


@pytest.fixture(scope="module")
def valued() -> pl.DataFrame:
    """What each action on each open deal is said to be worth, and what it is worth; one row of both a choice."""
    teams = [_team(seed) for seed in (1, 2)]
    effects = estimate(pl.concat(past for past, _ in teams), list(TEAMS))
    deals = pl.concat(deals for _, deals in teams)
    # the score of an open deal is the chance that it has: what is judged here is what an action adds
    choices = deals.with_columns(p=1 / (1 + (-pl.col("true")).exp())).join(
        pl.DataFrame(
            {"action_type": list(TRUTH), "true_effect": list(TRUTH.values()), "minutes": list(MINUTES.values())}
        ),
        how="cross",
    )
    rows = with_value(
        choices.join(effects, on=["customer_id", "entity_type", "action_type"]).with_columns(
            urgency=pl.lit(1.0), usefulness=pl.lit(1.0), valued=pl.lit("effect")
        )
    )
    worth = (shifted(pl.col("p"), pl.col("true_effect")) - pl.col("p")) * pl.col("amount")
    return rows.with_columns(said=pl.col("expected_value_minor"), worth=worth - pl.col("minutes") * MINUTE_COST_MINOR)


def test_it_rests_on_history(valued: pl.DataFrame) -> None:
    assert valued["basis"].unique().to_list() == ["associative"]


def test_tenths_of_expected_value_are_in_the_order_of_true_value(valued: pl.DataFrame) -> None:
    tenths = valued.with_columns(tenth=(pl.col("said").rank("ordinal") * 10 - 1) // pl.len())
    worth = tenths.group_by("tenth").agg(pl.col("worth").mean()).sort("tenth")["worth"].to_list()
    assert len(worth) == 10
    assert worth == sorted(worth)


def test_expected_value_is_off_by_less_than_a_tenth(valued: pl.DataFrame) -> None:
    """Over tenths, as a share of all value: what a calibration error is of a probability."""
    tenths = valued.with_columns(tenth=(pl.col("said").rank("ordinal") * 10 - 1) // pl.len())
    sums = tenths.group_by("tenth").agg(pl.col("said").sum(), pl.col("worth").sum())
    error = (sums["said"] - sums["worth"]).abs().sum() / sums["worth"].abs().sum()
    assert error < 0.10
    inside = ((valued["effect_low"] <= valued["true_effect"]) & (valued["true_effect"] <= valued["effect_high"])).mean()
    assert inside is not None
    assert inside > 0.5  # six effects, at eighty per cent each


RULES = {
    "largest amount": pl.col("amount"),
    "likeliest to win": pl.col("p"),
    "latest word from them": -pl.col("days_since_last_inbound"),
    "amount times chance": pl.col("amount") * pl.col("p"),
}


def _caught(rows: pl.DataFrame, order: pl.Expr) -> float:
    """True value of the first deals in `order`, each with the action that comes first there."""
    best = rows.with_columns(key=order).sort("key", "entity_id", "action_type", descending=True)
    first = best.unique(["customer_id", "entity_id"], keep="first", maintain_order=True).head(BUDGET)
    return float(first["worth"].sum())


def test_the_regret_is_at_most_half_of_that_of_the_best_rule(valued: pl.DataFrame) -> None:
    """A rule says which deal, not what to do: it is given the action that is best on average."""
    best = max(TRUTH, key=TRUTH.__getitem__)
    ours, oracle = _caught(valued, pl.col("said")), _caught(valued, pl.col("worth"))
    alone = valued.filter(pl.col("action_type") == best)
    rules = {name: _caught(alone, rule) for name, rule in RULES.items()}
    assert max(rules.values()) < ours <= oracle
    assert oracle - ours <= 0.5 * (oracle - max(rules.values()))
