"""Landmarks: past deals at ages of `grid.AGES`, with what became of them afterwards as far as it was known at an
instant.

Belongs here: that join. A deal that was open then is censored, not left out: to leave it out would teach that deals
close fast.
"""

from datetime import datetime

import numpy as np
import polars as pl

from models.forecast.grid import AGES, band

OPEN, WON, LOST = 0, 1, 2
_MICROS_A_DAY = 86_400_000_000


def landmarks(snapshots: pl.DataFrame, outcomes: pl.DataFrame, *, as_of: datetime) -> pl.DataFrame:
    """Snapshot rows at `AGES` as known at `as_of` (aware), sorted, with what followed:

    `band`; `cause` (open, won, lost); `elapsed`, days until that or until `as_of`; `closed_minor`, the amount at which
    it was won, in the snapshot's currency, else null; `closed_at`.
    """
    at = pl.Series(band(snapshots["age_days"].to_numpy()), dtype=pl.Int64)
    # an instant that was moved to a late recording is a little older than its age
    near = snapshots["age_days"].to_numpy() - AGES[at.to_numpy()] <= 1.0
    rows = snapshots.with_columns(band=at).filter(pl.Series(near) & (pl.col("as_of") <= as_of))
    return _followed(rows, outcomes, as_of)


def standing(snapshots: pl.DataFrame, outcomes: pl.DataFrame, *, at: datetime, as_of: datetime) -> pl.DataFrame:
    """Deals that were open at a past instant `at`, as last looked at before it, and what followed until `as_of`.

    As `landmarks`; `as_of` is `at` in every row, and ages are of then.
    """
    since = (pl.lit(at) - pl.col("as_of")).dt.total_microseconds() / _MICROS_A_DAY
    key = ["customer_id", "opportunity_id"]
    last = (
        snapshots.filter(pl.col("as_of") <= at)
        .sort(*key, "as_of")
        .unique(key, keep="last", maintain_order=True)
        .with_columns(age_days=pl.col("age_days") + since, as_of=pl.lit(at).cast(snapshots.schema["as_of"]))
    )
    return _followed(
        last.with_columns(band=pl.Series(band(last["age_days"].to_numpy()), dtype=pl.Int64)), outcomes, as_of
    )


def follow_up(rows: pl.DataFrame, *, as_of: datetime) -> np.ndarray:
    """Days from each landmark until `as_of`: how long it could be followed, whatever became of it."""
    gone = (pl.lit(as_of) - pl.col("as_of")).dt.total_microseconds() / _MICROS_A_DAY
    return rows.select(gone).to_series().to_numpy()


def _followed(rows: pl.DataFrame, outcomes: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """`rows` that were undecided, with what was known of their end at `as_of`."""
    key = ["customer_id", "opportunity_id"]
    decided = pl.col("outcome").is_in(["won", "lost"]) & (pl.col("decided_at") <= as_of)
    won = pl.col("outcome") == "won"
    ended = outcomes.select(
        *key,
        closed_at=pl.when(decided).then("decided_at"),
        cause=pl.when(decided.fill_null(False)).then(pl.when(won).then(WON).otherwise(LOST)).otherwise(OPEN),
        _closed_minor="value_minor",
        _closed_currency="currency",
    )
    undecided = pl.col("closed_at").is_null() | (pl.col("closed_at") > pl.col("as_of"))
    end = pl.coalesce(pl.col("closed_at"), pl.lit(as_of))
    paid = (pl.col("cause") == WON) & (pl.col("_closed_currency") == pl.col("currency")) & (pl.col("_closed_minor") > 0)
    return (
        rows.join(ended, on=key)
        .filter(undecided)
        .with_columns(
            elapsed=(end - pl.col("as_of")).dt.total_microseconds() / _MICROS_A_DAY,
            closed_minor=pl.when(paid).then("_closed_minor"),
        )
        .drop("_closed_minor", "_closed_currency")
        .sort(*key, "as_of")
    )
