"""Which of the actions that fit an entity is offered, and how likely that was: mostly the best, sometimes another one,
sometimes none, so that what the ranking is worth can be measured instead of believed.

Belongs here: drawing, and the propensities of what was drawn. What they show is `off_policy`'s business. A draw holds
for an entity, cause and period of `PERIOD_DAYS`: looking again does not change it, and equal inputs give equal draws.
"""

from datetime import UTC, datetime
from hashlib import sha256

import polars as pl

from models.ranking.catalogue import BY_EFFECT

PERIOD_DAYS = 28
HELD_BACK = "held back to measure"
TRIED = "another action is tried here"
_GROUP = ["customer_id", "entity_type", "entity_id", "cause"]
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)

SHARES_SCHEMA: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "holdout": pl.Float64(),
    "explored": pl.Float64(),
}
LOG_SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(_GROUP, pl.String()),
    "period": pl.Date(),
    "action_type": pl.String(),
    "propensity": pl.Float64(),
    "options": pl.String(),
    "as_of": pl.Datetime("us", "UTC"),
}
"""One row an entity and cause: the action that was offered (null: none), how likely that was, and `options`, JSON text,
a list of what could have been, the best first: action_type, propensity, expected_value_minor, p, amount, urgency,
usefulness."""


def shares(settings: pl.DataFrame) -> pl.DataFrame:
    """`SHARES_SCHEMA` from customer_id and settings (JSON text): what each tenant lets be held back and tried out."""

    def share(name: str) -> pl.Expr:
        return pl.col("settings").str.json_path_match(f"$.exploration.{name}").cast(pl.Float64).fill_null(0.0)

    return settings.select("customer_id", holdout=share("holdout"), explored=share("explored"))


def drawn(rows: pl.DataFrame, tenants: pl.DataFrame) -> pl.DataFrame:
    """`rows` (candidates with fate, place, valued, as_of) with `offered` of those whose fate is open, and `propensity`
    of those that are valued by what they change: only these are held back or tried out.

    `place` counts the open ones of an entity and cause from 1, the best. `tenants` is `SHARES_SCHEMA`: with probability
    `holdout` none is offered, with `explored` one of those that are not the best, each as likely, else the best.
    """
    alive = pl.col("fate").is_null()
    measured = alive & (pl.col("valued") == BY_EFFECT)
    known = rows.join(tenants, on="customer_id", how="left", maintain_order="left").with_columns(
        pl.when(measured).then(pl.col("holdout", "explored")).fill_null(0.0),
        options=measured.sum().over(_GROUP),
        period=period(pl.col("as_of")),
    )
    known = _with_draws(known)
    others = pl.col("options") - 1
    explored = pl.when(others > 0).then("explored").otherwise(0.0)
    held = pl.col("draw") < pl.col("holdout")
    trying = ~held & (pl.col("draw") < pl.col("holdout") + explored)
    among = ((pl.col("draw") - pl.col("holdout")) / explored * others).floor().clip(0, others - 1)
    chosen = pl.when(trying).then(among + 2).otherwise(1)
    propensity = pl.when(pl.col("place") == 1).then(1 - pl.col("holdout") - explored).otherwise(explored / others)
    return known.with_columns(
        offered=alive & ~held & (pl.col("place") == chosen), propensity=pl.when(measured).then(propensity)
    ).drop("draw", "options")


def log(judged: pl.DataFrame) -> pl.DataFrame:
    """`LOG_SCHEMA` of candidates after `drawn`: one row an entity and cause with anything to offer."""
    rounded = (pl.col(name).round(6) for name in ("propensity", "p", "amount", "urgency", "usefulness"))
    option = pl.struct("action_type", "expected_value_minor", *rounded).struct.json_encode()
    groups = judged.filter(pl.col("propensity").is_not_null()).sort(*_GROUP, "place")
    rows = groups.group_by(_GROUP, maintain_order=True).agg(
        pl.col("period").first(),
        pl.col("action_type").filter("offered").first(),
        propensity=pl.coalesce(pl.col("propensity").filter("offered").first(), pl.col("holdout").first()),
        options=pl.format("[{}]", option.str.join(",")),
        as_of=pl.col("as_of").max().dt.cast_time_unit("us"),
    )
    return rows.select([pl.col(name).cast(dtype) for name, dtype in LOG_SCHEMA.items()])


def period(instant: pl.Expr) -> pl.Expr:
    """The first day of the period that `instant` lies in."""
    passed = (instant - pl.lit(_EPOCH)).dt.total_days() // PERIOD_DAYS
    return (pl.lit(_EPOCH) + pl.duration(days=passed * PERIOD_DAYS)).dt.date()


def _with_draws(rows: pl.DataFrame) -> pl.DataFrame:
    """`draw`, from 0 to below 1, of what may be held back or tried out; the others get what changes nothing."""
    keys = [*_GROUP, "period"]
    tested = rows.filter(pl.col("holdout") + pl.col("explored") > 0).select(keys).unique()
    draws = tested.with_columns(pl.Series("draw", [_draw(*key) for key in tested.iter_rows()], pl.Float64))
    joined = rows.join(draws, on=keys, how="left", maintain_order="left")
    return joined.with_columns(pl.col("draw").fill_null(1.0))


def _draw(*parts: object) -> float:
    return int.from_bytes(sha256(":".join(map(str, parts)).encode()).digest()[:6]) / 2**48
