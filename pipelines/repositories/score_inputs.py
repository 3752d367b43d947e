"""Statements on what scores were made from: a row for each entity and hash of features, written once, never changed."""

import polars as pl

from pipelines.repositories.staging import Connection, rows, stage
from pipelines.repositories.warehouse_code import code_in_use

_KEY = {"customer_id": "varchar(36)", "entity_id": "varchar(36)", "feature_hash": "varchar(64)"}
_COLUMNS = _KEY | {"entity_type": "varchar(50)", "document": "text"}
# Only of scores just written: a mart that was redacted since an earlier one is not what that one was made from.
_LACKING = """
select distinct s.customer_id, s.entity_id, s.feature_hash
from scores_given given
join scores s on s.customer_id = given.customer_id and s.id = given.id
where not exists (
  select from score_inputs i
  where i.customer_id = s.customer_id and i.entity_id = s.entity_id and i.feature_hash = s.feature_hash
)
"""
_INSERT = f"""
insert into score_inputs ({", ".join(_COLUMNS)}, code)
select {", ".join(_COLUMNS)}, %(code)s from inputs_given
on conflict do nothing
"""


def lacking_inputs(connection: Connection) -> pl.DataFrame:
    """customer_id, entity_id, feature_hash of scores that were just written (`write_scores`) and lack their inputs."""
    return rows(connection, _LACKING, (), dict.fromkeys(_KEY, pl.String))


def keep_inputs(connection: Connection, inputs: pl.DataFrame) -> int:
    """Keep rows of customer_id, entity_type, entity_id, feature_hash and `document` (`models.inputs`); how many."""
    stage(connection, "inputs_given", inputs, _COLUMNS)
    return connection.execute(_INSERT.encode(), {"code": code_in_use(connection)}).rowcount
