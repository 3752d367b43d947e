"""What follows from a detector's record with a tenant: how loud it is, and whether it is muted.

The odds of the outcome that a detector announces are compared with those of entities that were alike. They start from
what tenants have in common, so that a new tenant mutes nothing by chance. Belongs here: the rule and its constants.
"""

import numpy as np
import polars as pl
from scipy.stats import beta

from models.signals.outcomes import wilson
from models.signals.scoreboard import COUNTS

PRIOR_ODDS = 1.5  # what a detector of the catalogue is taken to multiply the odds by, before anybody's outcomes
PRIOR_OF_ALL = 50.0  # votes that this has against those of all other tenants
PRIOR_OF_ONE = 20.0  # votes that what others have seen has against a tenant's own
MIN_VOTES = 50  # fewer say nothing
USELESS_ODDS = 1.25  # muted where even the upper end of the interval multiplies the odds by less
RETURN_ODDS = 1.35  # heard again from here on: in between it stays as it is
MIN_ANSWERS = 10  # answers by people
LOUDEST, QUIETEST = 2.0, 0.5

FEEDBACK: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "signal_type": pl.String(),
    "answered": pl.Int64(),
    "wrong": pl.Int64(),
    "not_useful": pl.Int64(),
}
_KEY = ["customer_id", "signal_type"]


def judge(counts: pl.DataFrame, feedback: pl.DataFrame, muted: pl.DataFrame, shared: pl.DataFrame) -> pl.DataFrame:
    """One row a tenant and detector with figures, `weight`, `muted` and `reason`, from `scoreboard.count`.

    `feedback`: FEEDBACK, answers to recommendations that stood on the detector. `muted`: customer_id, signal_type of
    those that the rule muted before. `shared`: COUNTS of all tenants that let others learn from what they have seen.
    """
    rows = counts.join(feedback, on=_KEY, how="full", coalesce=True, maintain_order="left_right")
    rows = rows.with_columns(
        pl.col("n", "hits", "answered", "wrong", "not_useful").fill_null(0),
        pl.col("votes", "votes_right", "expected").fill_null(0.0),
    )
    rows = _with_odds(_with_prior(rows, shared))
    before = muted.select(_KEY).with_columns(pl.lit(value=True).alias("was_muted"))
    rows = rows.join(before, on=_KEY, how="left", maintain_order="left").with_columns(
        pl.col("was_muted").fill_null(value=False)
    )
    return _told(rows).sort(_KEY)


def _with_prior(rows: pl.DataFrame, shared: pl.DataFrame) -> pl.DataFrame:
    """`prior`: the log of what the detector multiplies the odds by for the others."""
    figures = ["votes", "votes_right", "expected"]
    summed = shared.group_by("signal_type").agg(pl.col(figures).sum().name.prefix("all_"))
    own = shared.select(*_KEY, pl.col(figures).name.prefix("own_"))
    rows = rows.join(summed, on="signal_type", how="left", maintain_order="left")
    rows = rows.join(own, on=_KEY, how="left", maintain_order="left")
    n, hits, expected = (pl.col(f"all_{name}").fill_null(0) - pl.col(f"own_{name}").fill_null(0) for name in figures)
    share = (expected / n).fill_nan(None).fill_null(0.5).clip(0.02, 0.98)
    start = _logit(share) + np.log(PRIOR_ODDS)
    seen = (hits + PRIOR_OF_ALL / (1 + (-start).exp())) / (n + PRIOR_OF_ALL)
    return rows.with_columns((_logit(seen) - _logit(share)).alias("prior"))


def _logit(share: pl.Expr) -> pl.Expr:
    return (share / (1 - share)).log()


def _with_odds(rows: pl.DataFrame) -> pl.DataFrame:
    """Precision and lift with intervals, `odds` and `odds_high`: the multiple of the odds of those that were alike."""
    hits, right = pl.col("hits"), pl.col("votes_right")
    known = pl.col("n") > 0
    # what people called wrong is a case that missed, where there are cases
    missed = pl.when(known).then("wrong").otherwise(0)
    n, votes = pl.col("n") + missed, pl.col("votes") + missed
    share = (pl.col("expected") / pl.col("votes")).fill_nan(None).fill_null(0.5).clip(0.02, 0.98)
    rows = rows.with_columns(share.alias("share"))
    start = 1 / (1 + (-(_logit(pl.col("share")) + pl.col("prior"))).exp())
    rows = rows.with_columns(
        (right + PRIOR_OF_ONE * start).alias("a"), (votes - right + PRIOR_OF_ONE * (1 - start)).alias("b")
    )
    ends = {name: beta.ppf(q, rows["a"], rows["b"]) for name, q in (("low", 0.05), ("high", 0.95))}
    rows = rows.with_columns(pl.Series(f"p_{name}", np.atleast_1d(values)) for name, values in ends.items())
    against = {"": pl.col("a") / (pl.col("a") + pl.col("b")), "_low": pl.col("p_low"), "_high": pl.col("p_high")}
    return rows.with_columns(
        pl.when(known).then(hits / n).alias("precision"),
        pl.when(known).then(wilson(hits, n, upper=False)).alias("precision_low"),
        pl.when(known).then(wilson(hits, n, upper=True)).alias("precision_high"),
        *(pl.when(votes > 0).then(p / pl.col("share")).alias(f"lift{end}") for end, p in against.items()),
        *(
            (_logit(p) - _logit(pl.col("share"))).exp().alias(f"odds{end}")
            for end, p in against.items()
            if end != "_low"
        ),
    )


def _told(rows: pl.DataFrame) -> pl.DataFrame:
    n, high = pl.col("n"), pl.col("odds_high")
    enough, line = pl.col("votes") >= MIN_VOTES, pl.when("was_muted").then(RETURN_ODDS).otherwise(USELESS_ODDS)
    useless = enough & (high < line)
    answered, wrong = pl.col("answered"), pl.col("wrong")
    refused = (answered >= MIN_ANSWERS) & (wilson(wrong, answered, upper=False) > 0.5)
    reason = (
        pl.when(useless)
        .then(
            pl.format(
                "{} decided records showed it and ended about as others do: their odds were at most {} times as high."
                "{}",
                n,
                high.round(2),
                pl.when(wrong > 0)
                .then(pl.format(" {} recommendations that people called wrong count among them.", wrong))
                .otherwise(pl.lit("")),
            )
        )
        .when(refused)
        .then(pl.format("People called {} of {} recommendations from it wrong.", wrong, answered))
    )
    weight = pl.col("odds").log() / np.log(PRIOR_ODDS)
    figures = ("precision", "precision_low", "precision_high", "lift", "lift_low", "lift_high")
    return rows.select(
        *COUNTS,
        *(pl.col(name).round(6) for name in figures),
        pl.col("odds", "odds_high").round(6),
        "answered",
        "wrong",
        "not_useful",
        pl.when(enough).then(weight.clip(QUIETEST, LOUDEST).round(4)).otherwise(1.0).alias("weight"),
        (useless | refused).alias("muted"),
        reason.alias("reason"),
    )
