"""The chance to win that an action starts from: the score where it may be shown, else a wide rule of thumb.

Belongs here: which probability an entity has, and how it may be displayed. Scores themselves are made by the models.
"""

import polars as pl

from models.signals.detector import ACCOUNT, LEAD, OPPORTUNITY

SCORE_OF = {OPPORTUNITY: "win", LEAD: "conversion"}

# Rules of thumb for tenants without a usable model; one logit either way is the interval.
STAGE_CHANCE = {"prospecting": 0.10, "qualification": 0.20, "proposal": 0.35, "negotiation": 0.55}
STATUS_CHANCE = {"new": 0.05, "working": 0.10, "qualified": 0.25}
ACCOUNT_CHANCE = 0.10


def with_chances(rows: pl.DataFrame, entity_type: str, scores: pl.DataFrame | None) -> pl.DataFrame:
    """`rows` (mart rows with entity_id) with p, p_low, p_high, display, band, model_version_id and score_reasons."""
    scored = _scored(scores, entity_type)
    rows = rows.join(scored, on=["customer_id", "entity_id"], how="left", maintain_order="left")
    usable = pl.col("probability").is_not_null() & (pl.col("display").fill_null("probability") != "rules")
    rule = _rule(entity_type)
    logit = (rule / (1 - rule)).log()
    return rows.with_columns(
        pl.when(usable).then(pl.col("probability")).otherwise(rule).clip(0.001, 0.999).alias("p"),
        pl.when(usable).then(pl.col("probability_low")).otherwise(1 / (1 + (1 - logit).exp())).alias("p_low"),
        pl.when(usable).then(pl.col("probability_high")).otherwise(1 / (1 + (-1 - logit).exp())).alias("p_high"),
        pl.when(usable).then(pl.col("display").fill_null("probability")).otherwise(pl.lit("rules")).alias("display"),
        pl.when(usable).then(pl.col("band")).alias("band"),
        pl.when(usable).then(pl.col("model_version_id")).alias("model_version_id"),
        pl.when(usable).then(pl.col("score_reasons")).alias("score_reasons"),
    ).with_columns(pl.col("p").median().over("customer_id").alias("median_p"))


REASON = pl.Struct({"code": pl.String(), "text": pl.String(), "contribution": pl.Float64()})
_EMPTY = {
    "customer_id": pl.String(), "entity_id": pl.String(), "probability": pl.Float64(), "probability_low": pl.Float64(),
    "probability_high": pl.Float64(), "band": pl.String(), "display": pl.String(), "model_version_id": pl.String(),
    "score_reasons": pl.List(REASON),
}  # fmt: skip


def _scored(scores: pl.DataFrame | None, entity_type: str) -> pl.DataFrame:
    if scores is None or scores.is_empty() or entity_type not in SCORE_OF:
        return pl.DataFrame(schema=_EMPTY)
    one = scores.filter((pl.col("entity_type") == entity_type) & (pl.col("score_type") == SCORE_OF[entity_type]))
    told = pl.col("reasons").list.eval(
        pl.struct(*(pl.element().struct.field(name) for name in ("code", "text", "contribution")))
    )
    display = pl.col("display") if "display" in scores.columns else pl.lit("probability")
    return one.with_columns(told.cast(pl.List(REASON)).alias("score_reasons"), display.alias("display")).select(
        [pl.col(name).cast(dtype) for name, dtype in _EMPTY.items()]
    )


def _rule(entity_type: str) -> pl.Expr:
    if entity_type == ACCOUNT:
        return pl.lit(ACCOUNT_CHANCE)
    table = STAGE_CHANCE if entity_type == OPPORTUNITY else STATUS_CHANCE
    column = "stage" if entity_type == OPPORTUNITY else "status"
    return pl.col(column).replace_strict(list(table), list(table.values()), default=0.15, return_dtype=pl.Float64)
