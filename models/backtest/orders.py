"""Orders in which the open deals and leads of a day could be worked: ours, rules of thumb, and one that knows the end.

Belongs here: what each order sorts by. What came of it is `judge`'s business.
"""

from collections.abc import Mapping

import polars as pl

OURS, CHANCE, ORACLE = "bevyly", "random", "oracle"

CHOICES: Mapping[str, pl.DataType] = {
    "day": pl.Datetime("us", "UTC"),
    "customer_id": pl.String(),
    "owner_id": pl.String(),
    "entity_type": pl.String(),
    "entity_id": pl.String(),
    "rank": pl.Int64(),
    "action_type": pl.String(),
    "shown": pl.Boolean(),
    "expected_value_minor": pl.Int64(),
    "probability": pl.Float64(),
    "amount_minor": pl.Float64(),
    "days_since_last_outbound": pl.Float64(),
    "days_since_last_inbound": pl.Float64(),
    "age_days": pl.Float64(),
}
"""One row a day and undecided entity, as of that day: `rank` (best first), action and value of its best recommendation
or null, whether the briefing showed it, the chance to win that a score gave, and what rules of thumb look at."""

# What each rule sorts by, the smallest first; what it knows nothing of comes last.
RULES: Mapping[str, pl.Expr] = {
    "likeliest to win": -pl.col("probability"),
    "largest amount": -pl.col("amount_minor"),
    "latest word from them": pl.col("days_since_last_inbound"),
    "longest not contacted": -pl.coalesce("days_since_last_outbound", "age_days"),
    "newest": pl.col("age_days"),
}


def places(choices: pl.DataFrame) -> pl.DataFrame:
    """`choices` (with `good` and `value_minor`) with `place_<order>` of each order: 1 for what it does first that day.

    Ties, and what an order knows nothing of, stand in an order that is arbitrary and the same for all.
    """
    known = choices.with_columns(_any=pl.struct("day", "entity_type", "entity_id").hash(seed=7))
    orders = {
        OURS: pl.col("rank"),
        **RULES,
        ORACLE: pl.struct(~pl.col("good"), -pl.col("value_minor")).rank("dense"),
    }
    return known.with_columns(_place(expr).alias(f"place_{name}") for name, expr in orders.items()).drop("_any")


def _place(key: pl.Expr) -> pl.Expr:
    known = key.cast(pl.Float64)
    order = pl.struct(known.is_null().alias("unknown"), known.fill_null(0.0).alias("key"), "_any")
    return order.rank("ordinal").over("customer_id", "day")
