"""The shapes that callers wire: score types with their inputs, and the scores frame that comes out.

Belongs here: what an asset needs to know before it calls `train`, `score`, `save` and `load`. Nothing is computed here.
"""

import polars as pl

from models import conversion, fit, intent, win
from models.recipe import Recipe

RECIPES: dict[str, Recipe] = {module.RECIPE.score_type: module.RECIPE for module in (fit, intent, conversion, win)}
SCORE_TYPES = tuple(RECIPES)
FORECAST = "forecast"
"""Beside the scores in the register of versions; see `models.forecast`."""

SNAPSHOT_MARTS = {"lead": "lead_snapshots", "opportunity": "opportunity_snapshots"}
FEATURE_MARTS = {"lead": "lead_features", "opportunity": "opportunity_features"}
OUTCOME_MARTS = {"lead": "lead_outcomes", "opportunity": "opportunity_outcomes"}

REASON = pl.Struct(
    {
        "code": pl.String,
        "text": pl.String,
        "feature": pl.String,
        "value": pl.String,
        "norm": pl.String,
        "contribution": pl.Float64,
        "contrary_n": pl.Int64,
    }
)

SCORES: dict[str, pl.DataType | type[pl.DataType]] = {
    "customer_id": pl.String,
    "entity_type": pl.String,
    "entity_id": pl.String,
    "score_type": pl.String,
    "as_of": pl.Datetime("us", "UTC"),
    "probability": pl.Float64,
    "probability_low": pl.Float64,
    "probability_high": pl.Float64,
    "logit": pl.Float64,
    "baseline_logit": pl.Float64,
    "points": pl.Int64,
    "rank": pl.Int64,
    "band": pl.String,
    "reasons": pl.List(REASON),
    "feature_hash": pl.String,
    "model_version_id": pl.String,
}


def inputs(score_type: str) -> tuple[str, str, str]:
    """Marts of a score type, or of the forecast: (snapshots, features, outcomes)."""
    entity = "opportunity" if score_type == FORECAST else RECIPES[score_type].entity
    return SNAPSHOT_MARTS[entity], FEATURE_MARTS[entity], OUTCOME_MARTS[entity]
