"""Past snapshots beside how it ended: the ground on which detectors, their lines and patterns are judged.

Belongs here: which rows may be used, and what would have been expected of them anyway. What follows from it is decided
by `scoreboard`, `lines` and `models.patterns`.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

ENTITY = ["customer_id", "entity_type", "entity_id"]
Z = 1.645  # 90 % intervals


def with_outcomes(rows: pl.DataFrame, outcomes: pl.DataFrame, entity_type: str, *, as_of: datetime) -> pl.DataFrame:
    """`rows` (customer_id, entity_id, as_of, …) before their decision with `won` and `decided_at`.

    `outcomes` is marts.<entity>_outcomes; nothing that was decided after `as_of` is read.
    """
    decided = outcomes.filter(pl.col("outcome").is_in(["won", "lost"]) & (pl.col("decided_at") <= as_of)).select(
        "customer_id",
        pl.col(f"{entity_type}_id").alias("entity_id"),
        (pl.col("outcome") == "won").alias("won"),
        "decided_at",
    )
    joined = rows.join(decided, on=["customer_id", "entity_id"], how="inner", maintain_order="left")
    return joined.filter(pl.col("as_of") < pl.col("decided_at"))


def with_base(rows: pl.DataFrame, alike: Sequence[str]) -> pl.DataFrame:
    """`rows` with `base`: the share won among the tenant's entities that were alike, that is undecided at that moment.

    Without it everything that needs time would look like bad news: who is old has not been won early.
    """
    return rows.with_columns(pl.col("won").mean().over("customer_id", *alike).alias("base"))


def first_shown(rows: pl.DataFrame, shown: pl.Expr, polarity: pl.Expr) -> pl.DataFrame:
    """One row an entity: the first of `rows` at which `shown` holds, with `hit`, `expected` and `days` to the outcome.

    `hit`: it ended as `polarity` said. `expected`: how probable that was for entities that were alike. Rows need
    `entity_type`, `won`, `base` and `decided_at`.
    """
    first = rows.filter(shown.fill_null(value=False)).sort(*ENTITY, "as_of").unique(ENTITY, keep="first")
    good = polarity == "+"
    return first.select(
        *ENTITY,
        "as_of",
        "decided_at",
        (pl.col("won") == good).alias("hit"),
        pl.when(good).then("base").otherwise(1 - pl.col("base")).alias("expected"),
        ((pl.col("decided_at") - pl.col("as_of")).dt.total_seconds() / 86_400).alias("days"),
    )


def wilson(hits: pl.Expr, total: pl.Expr, *, upper: bool) -> pl.Expr:
    """One end of the Wilson score interval of `hits` out of `total`."""
    share = hits / total
    middle = share + Z**2 / (2 * total)
    half = Z * ((share * (1 - share) + Z**2 / (4 * total)) / total).sqrt()
    return ((middle + half if upper else middle - half) / (1 + Z**2 / total)).clip(0.0, 1.0)
