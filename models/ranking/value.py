"""What an action is worth, in minor units, with low and high: the value of the change it makes, less its effort.

    by effect     (p with − p without) × amount × urgency × usefulness − effort
    by hygiene    a small stated share of the amount: a forecast that is true is worth something, a deal it is not
    by attention  the minutes set free, priced like effort

What people answered (`usefulness`) multiplies the other two as well.

Belongs here: the arithmetic and its stated constants.
"""

import polars as pl

from models.ranking.catalogue import BY_ATTENTION, BY_EFFECT, BY_HYGIENE

MINUTE_COST_MINOR = 75  # EUR 45 an hour, loaded; the same number in every currency, small beside any deal
ATTENTION_MINUTES = 30  # what a dead deal costs in reviews and reminders until somebody closes it
HYGIENE_SHARE = 0.001  # of the amount, for a corrected date or amount
HYGIENE_CAP_MINOR = 5_000
UNKNOWN_AMOUNT_MINOR = 100_000  # ranks tenants that have recorded no amount at all; never shown as an amount
MIN_CHANCE_POSITIVE = 0.6  # below it an action is not sold as one that helps

# Days in which half of what acting on a finding is worth is gone.
HALF_LIFE = {
    "high_intent_action": 2.0,
    "lead_untouched": 3.0,
    "engagement_surge": 4.0,
    "lead_ready": 7.0,
    "answer_owed": 3.0,
    "ghosted": 14.0,
    "executive_engaged": 4.0,
    "new_stakeholder": 7.0,
    "committee_surge": 7.0,
    "champion_left": 14.0,
    "champion_unresponsive": 14.0,
    "account_event": 14.0,
    "past_champion_new_company": 21.0,
    "no_next_step": 14.0,
    "engagement_drop": 14.0,
    "going_dark": 21.0,
    "deal_stalled": 30.0,
}
DEFAULT_HALF_LIFE = 30.0
LEAST_URGENCY = 0.3


def urgency(finding: pl.Expr, since_days: pl.Expr) -> pl.Expr:
    """How much of the value is left: 1 when a finding is new, halved with its half-life, never under a floor."""
    half_life = finding.replace_strict(
        list(HALF_LIFE), list(HALF_LIFE.values()), default=DEFAULT_HALF_LIFE, return_dtype=pl.Float64
    )
    left = pl.lit(0.5).pow(since_days.fill_null(0.0) / half_life)
    return left.clip(LEAST_URGENCY, 1.0)


def shifted(p: pl.Expr, effect: pl.Expr) -> pl.Expr:
    """The probability `p` after its log-odds moved by `effect`."""
    return 1 / (1 + (-((p / (1 - p)).log() + effect)).exp())


def with_value(candidates: pl.DataFrame) -> pl.DataFrame:
    """`candidates` with p_with and expected_value_minor / _low_minor / _high_minor.

    Needs p, effect, effect_low, effect_high, amount (minor units), urgency, usefulness, minutes and valued.
    """
    p, amount = pl.col("p"), pl.col("amount").fill_null(UNKNOWN_AMOUNT_MINOR)
    effort = pl.col("minutes") * MINUTE_COST_MINOR
    by_effect, useful = pl.col("valued") == BY_EFFECT, pl.col("usefulness")
    hygiene = pl.min_horizontal(amount * HYGIENE_SHARE, pl.lit(float(HYGIENE_CAP_MINOR)))
    freed = ATTENTION_MINUTES * MINUTE_COST_MINOR * (1 - p)

    def worth(effect: str, scale: float) -> pl.Expr:
        gain = (shifted(p, pl.col(effect)) - p) * amount * pl.col("urgency") * useful
        return (
            pl.when(by_effect)
            .then(gain - effort)
            .when(pl.col("valued") == BY_HYGIENE)
            .then(hygiene * scale * useful)
            .when(pl.col("valued") == BY_ATTENTION)
            .then(freed * scale * useful)
            .round(0)
            .cast(pl.Int64)
        )

    return candidates.with_columns(
        pl.when(by_effect).then(shifted(p, pl.col("effect"))).otherwise(p).alias("p_with"),
        worth("effect", 1.0).alias("expected_value_minor"),
        worth("effect_low", 0.5).alias("expected_value_low_minor"),
        worth("effect_high", 2.0).alias("expected_value_high_minor"),
    )


def helps() -> pl.Expr:
    """Whether the action's effect is more likely positive than not, by the stated margin; not asked of other values.

    The chance that a normal effect is above zero, through the logistic approximation of the normal distribution.
    """
    chance = 1 / (1 + (-1.702 * pl.col("effect") / pl.col("effect_sd")).exp())
    return (pl.col("valued") != BY_EFFECT) | (chance >= MIN_CHANCE_POSITIVE)
