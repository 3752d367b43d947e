"""Scores of undecided entities by the versions in use: made, explained and written where something changed."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

from models.contracts import without_leaking_fields
from models.inputs import documents
from models.schema import RECIPES, SCORES, inputs
from pipelines.repositories.model_versions import champions
from pipelines.repositories.score_inputs import keep_inputs, lacking_inputs
from pipelines.repositories.score_standings import due, retire_gone, show_on_leads, stand
from pipelines.repositories.scores import write_scores
from pipelines.repositories.staging import Connection
from pipelines.resources import Warehouse
from pipelines.scoring.shelf import Shelf

_BATCH = 20_000  # rows whose features and reasons are held at a time
_OF_KEYS = """
select f.* from marts.{mart} f
join unnest($1::text[], $2::text[]) as wanted (customer_id, entity_id)
  on wanted.customer_id = f.customer_id and wanted.entity_id = f.{entity}_id
"""


def score_all(warehouse: Warehouse, shelf: Shelf, score_type: str) -> dict[str, int]:
    """Bring the current scores of `score_type` up to date; counts of rows looked at and written.

    Only rows whose features or version changed are read and scored. Features count the day of their instant, so what
    decays with time is new once a briefing day, and between two runs of a day only what something happened to.
    """
    _, mart, _ = inputs(score_type)
    entity = RECIPES[score_type].entity
    found = warehouse.read(due(mart, entity), [score_type])
    counts, moved = Counter(looked_at=found.height), set[str]()
    with warehouse.connect() as connection:
        tenants = found["customer_id"].unique().to_list()
        versions = champions(connection, tenants).filter(pl.col("score_type") == score_type)
        for keys in found.sort("customer_id", "entity_id").iter_slices(_BATCH):
            wanted = [keys["customer_id"].to_list(), keys["entity_id"].to_list()]
            features = without_leaking_fields(warehouse.read(_OF_KEYS.format(mart=mart, entity=entity), wanted))
            scores = _scores(features, versions, shelf)
            if scores.height:
                counts.update(_write(connection, scores, features, score_type))
                moved |= {*scores["customer_id"].unique()}
        gone = retire_gone(connection, score_type, mart, entity)
        moved |= {*gone}
        counts["retired"] = len(gone)
        counts["restood"] = stand(connection, score_type, moved) if moved else 0
    return dict(counts)


def _write(connection: Connection, scores: pl.DataFrame, features: pl.DataFrame, score_type: str) -> dict[str, int]:
    """Write scores, what they were made from, and the points that lists of leads show."""
    counts = write_scores(connection, scores)
    contract = RECIPES[score_type].contract
    made_from = features.rename({contract.id_column: "entity_id"}).join(
        lacking_inputs(connection),
        how="semi",
        on=["customer_id", "entity_id", "feature_hash"],
    )
    given = made_from.select(
        "customer_id",
        "entity_id",
        "feature_hash",
        entity_type=pl.lit(contract.entity),
        document=documents(made_from, contract),
    )
    return counts | {"inputs": keep_inputs(connection, given), "leads": show_on_leads(connection, score_type)}


def _scores(features: pl.DataFrame, versions: pl.DataFrame, shelf: Shelf) -> pl.DataFrame:
    """Scores of all rows with their reasons, each by its tenant's version in use. Ranks are within the frame only."""
    in_use = {row["customer_id"] or "": row for row in versions.iter_rows(named=True)}
    parts = [pl.DataFrame(schema=SCORES)]
    for (tenant,), rows in features.group_by("customer_id", maintain_order=True):
        version: Mapping[str, Any] | None = in_use.get(str(tenant), in_use.get(""))
        if version is not None:
            parts.append(shelf.load(version).score(rows, model_version_id=version["id"]))
    return pl.concat(parts)
