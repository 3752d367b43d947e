"""Scores of all undecided entities by the versions in use; explained and written where something changed."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from models.contracts import without_leaking_fields
from models.schema import SCORES, inputs
from models.scoring import TrainedModel
from pipelines.repositories.model_versions import champions
from pipelines.repositories.scores import write_scores
from pipelines.resources import Warehouse
from pipelines.scoring.shelf import Shelf

_KNOWN = """
select customer_id, entity_id, feature_hash, model_version_id from public.scores where is_current and score_type = $1
"""
_LEAD_COLUMNS = {"fit": "fit_score", "intent": "intent_score"}


def score_all(warehouse: Warehouse, shelf: Shelf, score_type: str) -> dict[str, int]:
    """Write the current scores of `score_type`; counts of rows looked at and written."""
    _, mart, _ = inputs(score_type)
    features = without_leaking_fields(warehouse.read(f"select * from marts.{mart}"))
    tenants = features["customer_id"].unique().to_list()
    with warehouse.connect() as connection:
        versions = champions(connection, tenants).filter(pl.col("score_type") == score_type)
        known = warehouse.read(_KNOWN, [score_type])
        scores = _scores(features, known, versions, shelf)
        counts = write_scores(connection, scores, complete_for=tenants) if scores.height else {}
        if score_type in _LEAD_COLUMNS:
            counts["leads"] = connection.execute(_show_on_leads(score_type)).rowcount
    return {"looked_at": features.height} | counts


def _scores(features: pl.DataFrame, known: pl.DataFrame, versions: pl.DataFrame, shelf: Shelf) -> pl.DataFrame:
    """Scores of all rows, each by its tenant's version in use; reasons only where features or version changed."""
    in_use = {row["customer_id"] or "": row for row in versions.iter_rows(named=True)}
    parts = [pl.DataFrame(schema=SCORES)]
    for (tenant,), rows in features.group_by("customer_id", maintain_order=True):
        version: Mapping[str, Any] | None = in_use.get(str(tenant), in_use.get(""))
        if version is not None:
            parts.append(_explained_where_new(shelf.load(version), rows, known, version["id"]))
    return pl.concat(parts)


def _explained_where_new(model: TrainedModel, rows: pl.DataFrame, known: pl.DataFrame, version: str) -> pl.DataFrame:
    entity = model.recipe.contract.id_column
    new = rows.with_columns(model_version_id=pl.lit(version)).join(
        known,
        how="anti",
        left_on=["customer_id", entity, "feature_hash", "model_version_id"],
        right_on=["customer_id", "entity_id", "feature_hash", "model_version_id"],
    )
    scores = model.score(rows, explain=False, model_version_id=version)
    if new.is_empty():
        return scores
    told = model.score(new.select(rows.columns), model_version_id=version).select("entity_id", told="reasons")
    return (
        scores.join(told, on="entity_id", how="left", maintain_order="left")
        .with_columns(reasons=pl.coalesce("told", "reasons"))
        .drop("told")
    )


def _show_on_leads(score_type: str) -> str:
    """The score that lists of leads show beside each lead, in points."""
    column = _LEAD_COLUMNS[score_type]
    return f"""
    update leads l set {column} = s.points from scores s
    where s.is_current and s.score_type = '{score_type}' and s.entity_type = 'lead'
      and s.customer_id = l.customer_id and s.entity_id = l.id and l.{column} is distinct from s.points
    """
