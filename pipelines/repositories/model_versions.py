"""Statements on model versions: what was trained, which one is in use.

Belongs here: the register. Whether a challenger wins is decided by the models' own comparison.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from pipelines.repositories.staging import Connection, rows, stage

_COLUMNS = {
    "id": "varchar(36)",
    "customer_id": "varchar(36)",
    "score_type": "varchar(50)",
    "status": "varchar(50)",
    "status_reason": "text",
    "display": "varchar(50)",
    "trained_from": "timestamptz",
    "trained_to": "timestamptz",
    "n_rows": "int",
    "n_outcomes": "int",
    "metrics": "jsonb",
    "card": "text",
    "artefact": "text",
    "artefact_sha256": "varchar(64)",
    "made_with": "jsonb",
    "created_at": "timestamptz",
}
# One in use for each score type and tenant; the pooled one has no tenant.
_RETIRE = """
update model_versions known set status = 'retired', status_reason = 'replaced by ' || given.id
from versions_given given
where given.status = 'champion' and known.status = 'champion' and known.score_type = given.score_type
  and known.customer_id is not distinct from given.customer_id and known.id <> given.id
"""
_INSERT = f"""
insert into model_versions as known ({", ".join(_COLUMNS)})
select {", ".join(_COLUMNS)} from versions_given
on conflict (id) do update set
  status = excluded.status, status_reason = excluded.status_reason, display = excluded.display
where (known.status, known.status_reason, known.display)
  is distinct from (excluded.status, excluded.status_reason, excluded.display)
"""
CHAMPION_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("id", "customer_id", "score_type", "display", "artefact", "metrics"), pl.String),
    **dict.fromkeys(("trained_from", "trained_to"), pl.Datetime("us", "UTC")),
    **dict.fromkeys(("n_rows", "n_outcomes"), pl.Int64),
}
_CHAMPIONS = """
select id, customer_id, score_type, display, artefact, metrics::text, trained_from, trained_to, n_rows, n_outcomes
from model_versions
where status = 'champion' and (customer_id is null or customer_id = any(%(customers)s))
order by score_type, customer_id nulls last, id
"""
_PROMOTE = """
update model_versions set status = 'champion', status_reason = %(reason)s where id = %(id)s
"""
_STEP_DOWN = """
update model_versions known set status = 'retired', status_reason = 'replaced by ' || given.id
from model_versions given
where given.id = %(id)s and known.id <> given.id and known.status = 'champion'
  and known.score_type = given.score_type and known.customer_id is not distinct from given.customer_id
"""


def write_model_versions(connection: Connection, versions: pl.DataFrame) -> int:
    """Register trained models (columns of the table; `metrics` as JSON text); how many rows changed.

    A new champion retires the one before it. Registering the same version again changes its status and display only.
    """
    stage(connection, "versions_given", versions, _COLUMNS)
    connection.execute(_RETIRE)
    return connection.execute(_INSERT).rowcount


def promote(connection: Connection, version_id: str, *, reason: str) -> bool:
    """Put any version back in use; whether there is such a version."""
    connection.execute(_STEP_DOWN, {"id": version_id})
    return connection.execute(_PROMOTE, {"id": version_id, "reason": reason}).rowcount == 1


def champions(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """Versions in use for `customers`, pooled ones (without customer_id) among them."""
    return rows(connection, _CHAMPIONS, {"customers": list(customers)}, CHAMPION_SCHEMA)
