"""What people's answers make of the worth of a kind of recommendation: an action for a cause.

The tenant's share of useful answers, drawn towards an even one, so that few answers change little and none change
nothing; then the owner's, drawn towards the tenant's. Kinds are judged apart: an answer never moves what it was not
about. Belongs here: the rule and its constants.
"""

import polars as pl

EVEN = 0.5
"""The share of useful answers that changes nothing: somebody who tosses a coin says nothing of a recommendation."""
STRENGTH = 10.0
"""Answers that "changes nothing" is worth."""
OWN_STRENGTH = 20.0
"""Answers that the tenant's share is worth beside a person's own."""
LEAST, MOST = 0.5, 1.5
TOLD_FROM = 5
OWN_TOLD_FROM = 10
TOLD_CHANGE = 0.1

ANSWERS: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "user_id": pl.String(),
    "action_type": pl.String(),
    "finding": pl.String(),
    "useful": pl.Int64(),
    "answered": pl.Int64(),
}
_KIND = ["customer_id", "action_type", "finding"]
_COUNTS = ["useful", "answered"]


def with_usefulness(rows: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """`rows` (customer_id, owner_id, action_type, finding) with `usefulness` and the counts that it comes from.

    `answers` is `ANSWERS`, one row a person and kind. `usefulness` multiplies what acting changes: 1 where nobody
    answered, never outside `LEAST` to `MOST`.
    """
    everybody = answers.group_by(_KIND).agg(pl.col(_COUNTS).sum())
    own = answers.rename({"user_id": "owner_id"} | {name: f"own_{name}" for name in _COUNTS})
    known = rows.join(everybody, on=_KIND, how="left", maintain_order="left")
    known = known.join(own, on=[*_KIND, "owner_id"], how="left", maintain_order="left")
    counts = [*_COUNTS, *(f"own_{name}" for name in _COUNTS)]
    known = known.with_columns(pl.col(counts).fill_null(0))
    share = _drawn("useful", "answered", EVEN, STRENGTH)
    own_share = _drawn("own_useful", "own_answered", share, OWN_STRENGTH)
    return known.with_columns(usefulness=(own_share / EVEN).clip(LEAST, MOST))


def told() -> pl.Expr:
    """`People here found 3 of 12 of these useful.`, where there are enough answers and they change something."""
    everybody = pl.format("People here found {} of {} of these useful", "useful", "answered")
    own = pl.format(", whose it is {} of {}", "own_useful", "own_answered")
    matters = (pl.col("answered") >= TOLD_FROM) & ((pl.col("usefulness") - 1).abs() >= TOLD_CHANGE)
    personal = pl.when(pl.col("own_answered") >= OWN_TOLD_FROM).then(own).otherwise(pl.lit(""))
    return pl.when(matters).then(pl.format("{}{}.", everybody, personal))


def _drawn(useful: str, answered: str, towards: pl.Expr | float, strength: float) -> pl.Expr:
    return (pl.col(useful) + strength * towards) / (pl.col(answered) + strength)
