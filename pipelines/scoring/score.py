"""Scores of undecided entities by the versions in use: made, explained and written where something changed."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from models.contracts import without_leaking_fields
from models.inputs import documents
from models.schema import RECIPES, SCORES, inputs
from pipelines.repositories.model_versions import champions
from pipelines.repositories.score_inputs import keep_inputs, lacking_inputs
from pipelines.repositories.score_standings import due, retire_gone, stand
from pipelines.repositories.scores import write_scores
from pipelines.repositories.staging import Connection
from pipelines.resources import Warehouse
from pipelines.scoring.shelf import Shelf

_LEAD_COLUMNS = {"fit": "fit_score", "intent": "intent_score"}


def score_all(warehouse: Warehouse, shelf: Shelf, score_type: str) -> dict[str, int]:
    """Bring the current scores of `score_type` up to date; counts of rows looked at and written.

    Only rows whose features or version changed are read and scored. Features count the day of their instant, so what
    decays with time is new once a briefing day, and between two runs of a day only what something happened to.
    """
    _, mart, _ = inputs(score_type)
    entity = RECIPES[score_type].entity
    features = without_leaking_fields(warehouse.read(due(mart, entity), [score_type]))
    tenants = features["customer_id"].unique().to_list()
    with warehouse.connect() as connection:
        versions = champions(connection, tenants).filter(pl.col("score_type") == score_type)
        scores = _scores(features, versions, shelf)
        counts = write_scores(connection, scores) if scores.height else {}
        gone = retire_gone(connection, score_type, mart, entity)
        moved = {*gone, *scores["customer_id"].unique()}
        counts["retired"] = len(gone)
        counts["restood"] = stand(connection, score_type, moved) if moved else 0
        counts["inputs"] = _keep_inputs(connection, features, score_type, tenants)
        if score_type in _LEAD_COLUMNS:
            counts["leads"] = connection.execute(_show_on_leads(score_type)).rowcount
    return {"looked_at": features.height} | counts


def _keep_inputs(connection: Connection, features: pl.DataFrame, score_type: str, tenants: list[str]) -> int:
    """Keep what the new scores were made from, as it was read."""
    contract = RECIPES[score_type].contract
    made_from = features.rename({contract.id_column: "entity_id"}).join(
        lacking_inputs(connection, score_type, tenants),
        how="semi",
        on=["customer_id", "entity_id", "feature_hash"],
    )
    inputs = made_from.select(
        "customer_id",
        "entity_id",
        "feature_hash",
        entity_type=pl.lit(contract.entity),
        document=documents(made_from, contract),
    )
    return keep_inputs(connection, inputs)


def _scores(features: pl.DataFrame, versions: pl.DataFrame, shelf: Shelf) -> pl.DataFrame:
    """Scores of all rows with their reasons, each by its tenant's version in use. Ranks are within the frame only."""
    in_use = {row["customer_id"] or "": row for row in versions.iter_rows(named=True)}
    parts = [pl.DataFrame(schema=SCORES)]
    for (tenant,), rows in features.group_by("customer_id", maintain_order=True):
        version: Mapping[str, Any] | None = in_use.get(str(tenant), in_use.get(""))
        if version is not None:
            parts.append(shelf.load(version).score(rows, model_version_id=version["id"]))
    return pl.concat(parts)


def _show_on_leads(score_type: str) -> str:
    """The score that lists of leads show beside each lead, in points."""
    column = _LEAD_COLUMNS[score_type]
    return f"""
    update leads l set {column} = s.points from scores s
    where s.is_current and s.score_type = '{score_type}' and s.entity_type = 'lead'
      and s.customer_id = l.customer_id and s.entity_id = l.id and l.{column} is distinct from s.points
    """
