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


def shown(
    rows: pl.DataFrame, flag: pl.Expr, polarity: pl.Expr, alike: Sequence[str], *, by: Sequence[str] = ()
) -> pl.DataFrame:
    """The rows on which `flag` is true: `hit`, `expected`, `vote`, `is_first`, `days` from first seen to the outcome.

    `hit`: it ended as `polarity` said. `expected`: how often it did on rows that were `alike` (of the same moment, say)
    and did not show it: without that, whatever needs time would look like bad news, since who is old was not won early.
    A row's vote is the share of rows alike that did not show it (as Mantel and Haenszel weigh): what everybody shows
    tells nobody apart. All votes are scaled alike so that there are as many as entities, not rows; the sum is what the
    comparison is worth, in cases. (An entity's rows must not share its one vote: how many there will be is the future.)
    Columns `by` are carried on, and each of their values is counted for itself.
    """
    one, whole = [*ENTITY, *by], ["customer_id", *by]
    group = ["customer_id", "entity_type", *alike]
    marked = rows.with_columns(flag.fill_null(value=False).alias("_shown"))
    without = ~pl.col("_shown")
    marked = marked.with_columns(
        without.sum().over(group).alias("_without"),
        without.mean().over(group).alias("_apart"),
        # one more case that ended as all did keeps a few from deciding
        ((pl.col("won") & without).sum().over(group) + pl.col("won").mean().over(group)).alias("_won"),
    ).filter("_shown")
    base = pl.col("_won") / (pl.col("_without") + 1)
    first, good = pl.col("as_of").min().over(one), polarity == "+"
    return marked.select(
        *one,
        (pl.col("won") == good).alias("hit"),
        pl.when(good).then(base).otherwise(1 - base).alias("expected"),
        (pl.col("_apart") * pl.struct(one).n_unique().over(whole) / pl.len().over(whole)).alias("vote"),
        (pl.col("as_of") == first).alias("is_first"),
        ((pl.col("decided_at") - first).dt.total_seconds() / 86_400).alias("days"),
    )


def wilson(hits: pl.Expr, total: pl.Expr, *, upper: bool) -> pl.Expr:
    """One end of the Wilson score interval of `hits` out of `total`."""
    share = hits / total
    middle = share + Z**2 / (2 * total)
    half = Z * ((share * (1 - share) + Z**2 / (4 * total)) / total).sqrt()
    return ((middle + half if upper else middle - half) / (1 + Z**2 / total)).clip(0.0, 1.0)
