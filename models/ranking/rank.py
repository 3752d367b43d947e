"""From findings to ranked recommendations: the one function that pipelines call.

Belongs here: the order of steps and the output frame.
"""

from typing import NamedTuple

import polars as pl

from models.ranking.candidates import candidates, reasons
from models.ranking.catalogue import BY_EFFECT
from models.ranking.choose import with_fate
from models.ranking.exploration import LOG_SCHEMA, SHARES_SCHEMA, log
from models.ranking.findings import called_for, findings, zombies
from models.ranking.momentum import SCHEMA as MOVES_SCHEMA
from models.ranking.usefulness import ANSWERS, with_usefulness
from models.ranking.value import with_value
from models.ranking.wording import rationale, title
from models.signals.frames import Frames
from models.signals.text import json_list

SCHEMA: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "owner_id": pl.String(),
    "pattern_key": pl.String(),
    "signal_key": pl.String(),
    "entity_type": pl.String(),
    "entity_id": pl.String(),
    "action_type": pl.String(),
    "cause": pl.String(),
    "payload": pl.String(),
    "priority": pl.String(),
    "title": pl.String(),
    "rationale": pl.String(),
    "reasons": pl.String(),
    "evidence": pl.String(),
    "probability": pl.Float64(),
    "probability_low": pl.Float64(),
    "probability_high": pl.Float64(),
    "probability_with_action": pl.Float64(),
    "amount_minor": pl.Int64(),
    "currency": pl.String(),
    "urgency": pl.Float64(),
    "usefulness": pl.Float64(),
    "expected_value_minor": pl.Int64(),
    "expected_value_low_minor": pl.Int64(),
    "expected_value_high_minor": pl.Int64(),
    "basis": pl.String(),
    "rank": pl.Int64(),
    "expires_at": pl.Datetime("us", "UTC"),
    "dedupe_key": pl.String(),
    "model_version_id": pl.String(),
    "as_of": pl.Datetime("us", "UTC"),
}
LEFT_OUT_SCHEMA: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "owner_id": pl.String(),
    "reason": pl.String(),
    "count": pl.Int64(),
}
DECISIONS_SCHEMA: dict[str, pl.DataType] = dict.fromkeys(
    ("customer_id", "entity_type", "entity_id", "cause", "dedupe_key", "status"), pl.String()
)


class Ranked(NamedTuple):
    """Recommendations in order of worth within each tenant; what was left out, by owner and reason; what was offered of
    what could have been, and how likely (`exploration.LOG_SCHEMA`)."""

    recommendations: pl.DataFrame
    left_out: pl.DataFrame
    offers: pl.DataFrame


def rank(
    signals: pl.DataFrame,
    patterns: pl.DataFrame,
    members: pl.DataFrame,
    frames: Frames,
    *,
    effects: pl.DataFrame,
    tenants: pl.DataFrame,
    decisions: pl.DataFrame | None = None,
    moves: pl.DataFrame | None = None,
    shares: pl.DataFrame | None = None,
    answers: pl.DataFrame | None = None,
) -> Ranked:
    """Rank what the open findings call for.

    `signals`, `patterns`, `members`: as `detect` and `find` give them, or read back from the tables. `frames`: all
    undecided entities of the tenants, with current scores (and their `display`). `effects`: from `effects.estimate`.
    `tenants`: from `norms.tenant_norms`. `decisions`: see `choose.with_fate`.
    `moves`: from `momentum.momentum`, where it is known. `shares`: from `exploration.shares`; without it nothing is
    tried. `answers`: what people answered to such recommendations by then (`usefulness.ANSWERS`).
    """
    found = findings(signals, patterns, members)
    rows = candidates(called_for(found), frames, zombies(found), tenants)
    if rows.is_empty():
        return Ranked(*(pl.DataFrame(schema=schema) for schema in (SCHEMA, LEFT_OUT_SCHEMA, LOG_SCHEMA)))
    key = pl.format("{}:{}:{}", "action_type", "entity_type", "entity_id").alias("dedupe_key")
    rows = rows.join(effects, on=["customer_id", "entity_type", "action_type"], how="inner", maintain_order="left")
    rows = _urgent(rows, pl.DataFrame(schema=MOVES_SCHEMA) if moves is None else moves)
    rows = with_usefulness(rows, pl.DataFrame(schema=ANSWERS) if answers is None else answers)
    judged = with_fate(
        with_value(rows.with_columns(key)),
        pl.DataFrame(schema=DECISIONS_SCHEMA) if decisions is None else decisions,
        pl.DataFrame(schema=SHARES_SCHEMA) if shares is None else shares,
    )
    left_out = judged.filter(pl.col("fate").is_not_null()).group_by(
        "customer_id", "owner_id", pl.col("fate").alias("reason")
    )
    counted = left_out.agg(pl.len().cast(pl.Int64).alias("count")).sort("customer_id", "owner_id", "reason")
    return Ranked(_finished(judged.filter(pl.col("fate").is_null())), counted, log(judged))


def _urgent(rows: pl.DataFrame, moves: pl.DataFrame) -> pl.DataFrame:
    """What is left of the value: less with the age of what was found, and where little moves any more.

    What nothing is known of moves as what else the tenant has; where nothing is known at all, only age counts.
    """
    usual = moves.group_by("customer_id").agg(usual=pl.col("moves").mean())
    known = rows.join(moves, on=["customer_id", "entity_type", "entity_id"], how="left", maintain_order="left")
    known = known.join(usual, on="customer_id", how="left", maintain_order="left")
    moving = pl.coalesce("moves", "usual").fill_null(1.0)
    return known.with_columns(urgency=pl.col("urgency") * moving).drop("moves", "usual")


def _finished(chosen: pl.DataFrame) -> pl.DataFrame:
    order = pl.struct(-pl.col("expected_value_minor"), "dedupe_key").rank("ordinal").over("customer_id")
    shown = chosen.with_columns(
        order.cast(pl.Int64).alias("rank"),
        title().alias("title"),
        rationale().alias("rationale"),
        reasons().alias("reasons"),
        pl.col("p").round(6).alias("probability"),
        pl.col("p_low").round(6).alias("probability_low"),
        pl.col("p_high").round(6).alias("probability_high"),
        pl.col("p_with").round(6).alias("probability_with_action"),
        pl.col("urgency").round(4),
        pl.when(pl.col("answered") > 0).then(pl.col("usefulness").round(4)).alias("usefulness"),
    )
    shown = shown.with_columns(_priority().alias("priority"), json_list("reasons"), json_list("evidence"))
    return shown.select([pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()]).sort("customer_id", "rank")


def _priority() -> pl.Expr:
    """Critical: among the most valuable quarter and critically late; high: one of the two; tidying is always low."""
    top = (pl.col("rank") - 1) / pl.len().over("customer_id") < 0.25
    return (
        pl.when(pl.col("valued") != BY_EFFECT)
        .then(pl.lit("low"))
        .when(top & (pl.col("level") >= 3))
        .then(pl.lit("critical"))
        .when(top | (pl.col("level") >= 2))
        .then(pl.lit("high"))
        .otherwise(pl.lit("medium"))
    )
