"""Statements on scores: a row is written when features or model changed, and stays.

Belongs here: the series of scores. `rank` says how an entity stands among the others and follows them without a new row
(`score_standings`); everything else of a row never changes.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from bevyly.ids import new_id
from models.signals.text import json_list
from pipelines.repositories.staging import Connection, rows, stage

_COLUMNS = {
    "customer_id": "varchar(36)",
    "id": "varchar(36)",
    "entity_type": "varchar(50)",
    "entity_id": "varchar(36)",
    "score_type": "varchar(50)",
    "as_of": "timestamptz",
    "probability": "float8",
    "probability_low": "float8",
    "probability_high": "float8",
    "logit": "float8",
    "baseline_logit": "float8",
    "points": "int",
    "rank": "int",
    "band": "varchar(8)",
    "reasons": "jsonb",
    "model_version_id": "varchar(36)",
    "feature_hash": "varchar(64)",
}
_NAMES = ", ".join(_COLUMNS)
_SAME_ENTITY = """known.customer_id = given.customer_id and known.entity_type = given.entity_type
  and known.entity_id = given.entity_id and known.score_type = given.score_type and known.is_current"""
_UNCHANGED = "known.feature_hash = given.feature_hash and known.model_version_id = given.model_version_id"

_RETIRE = f"""
update scores known set is_current = false
from scores_given given
where {_SAME_ENTITY} and not ({_UNCHANGED}) and known.as_of <= given.as_of
"""
# A newer score that is current already wins over an older run that arrives late.
_INSERT = f"""
insert into scores ({_NAMES}, is_current)
select {", ".join(f"given.{name}" for name in _COLUMNS)}, true
from scores_given given
where not exists (select from scores known where {_SAME_ENTITY})
"""
CURRENT_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("customer_id", "entity_type", "entity_id", "score_type"), pl.String),
    "as_of": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("probability", "probability_low", "probability_high", "logit", "baseline_logit"), pl.Float64),
    **dict.fromkeys(("points", "rank"), pl.Int64),
    **dict.fromkeys(("band", "reasons", "feature_hash", "model_version_id", "display"), pl.String),
}
_CURRENT = """
select s.customer_id, s.entity_type, s.entity_id, s.score_type, s.as_of, s.probability, s.probability_low,
       s.probability_high, s.logit, s.baseline_logit, s.points, s.rank, s.band, s.reasons::text, s.feature_hash,
       s.model_version_id, m.display
from scores s
join model_versions m on m.id = s.model_version_id
where s.customer_id = any(%(customers)s) and s.is_current
order by s.customer_id, s.score_type, s.rank, s.id
"""
_STORED = """
select stored.body from scores s, lateral api_get_stored_score(s.customer_id, s.id) stored where s.id = any(%s)
"""
_SAMPLED = """
select s.id from scores s
where exists (
  select from score_inputs i
  where i.customer_id = s.customer_id and i.entity_id = s.entity_id and i.feature_hash = s.feature_hash
)
order by random() limit %s
"""
_REASONS = pl.List(pl.Struct({"code": pl.String, "text": pl.String, "contribution": pl.Float64}))


def write_scores(connection: Connection, scores: pl.DataFrame) -> dict[str, int]:
    """Write a scores frame; rows whose features and model are those of the current row are left alone."""
    ids = pl.Series("id", [new_id() for _ in range(scores.height)], dtype=pl.String)
    stage(connection, "scores_given", scores.with_columns(ids, _without_nulls(json_list("reasons"))), _COLUMNS)
    return {
        "replaced": connection.execute(_RETIRE).rowcount,
        "inserted": connection.execute(_INSERT).rowcount,
    }


def _without_nulls(reasons: pl.Expr) -> pl.Expr:
    """JSON text of reasons without what few of them have."""
    return reasons.str.replace_all(',"contrary_n":null', "", literal=True)


def current_scores(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """Current scores of `customers` as a scores frame, with the `display` of their model version."""
    found = rows(connection, _CURRENT, {"customers": list(customers)}, CURRENT_SCHEMA)
    return found.with_columns(pl.col("reasons").str.json_decode(_REASONS))


def stored_scores(connection: Connection, score_ids: Sequence[str]) -> list[str]:
    """Scores of any tenant as JSON, with their inputs and artefact: what is needed to make them again."""
    return [row[0] for row in connection.execute(_STORED, (list(score_ids),)).fetchall()]


def sampled_scores(connection: Connection, size: int) -> list[str]:
    """Ids of up to `size` scores whose inputs are kept, at random."""
    return [row[0] for row in connection.execute(_SAMPLED, (size,)).fetchall()]
