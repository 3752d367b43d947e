"""Statements on model versions: what was trained, which one is in use, how the others were judged.

Belongs here: the register. Whether a challenger wins is decided by the models' own comparison, and one function of the
database, which people use too, puts a version in use.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from bevyly.ids import new_id
from bevyly.intent.versions import BY_TRAINING, PIPELINE
from pipelines.repositories.staging import Connection, rows, stage

_COLUMNS = {
    "id": "varchar(36)",
    "customer_id": "varchar(36)",
    "score_type": "varchar(50)",
    "status": "varchar(50)",
    "status_reason": "text",
    "display": "varchar(50)",
    "trained_display": "varchar(50)",
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
_PLAIN = [name for name in _COLUMNS if name != "status"]
# A challenger that was never judged makes room for the next one.
_SUPERSEDE = """
update model_versions known set status = 'refused', status_reason = 'a newer one was trained before it was judged'
from versions_given given
where known.status = 'challenger' and known.score_type = given.score_type
  and known.customer_id is not distinct from given.customer_id and known.id <> given.id
"""
_INSERT = f"""
insert into model_versions ({", ".join(_PLAIN)}, status)
select {", ".join(_PLAIN)}, case given.status when 'champion' then 'challenger' else given.status end
from versions_given given
on conflict (id) do nothing
"""
_USE = """
select promote_model_version(g.customer_id, g.id, coalesce(g.status_reason, 'trained'), %(cause)s, %(actor)s, null,
  g.change_id, g.created_at)
from versions_given g where g.status = 'champion'
"""
CHAMPION_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(
        ("id", "customer_id", "score_type", "status", "display", "trained_display", "artefact", "artefact_sha256"),
        pl.String,
    ),
    **dict.fromkeys(("metrics", "judgement"), pl.String),
    **dict.fromkeys(("trained_from", "trained_to", "created_at"), pl.Datetime("us", "UTC")),
    **dict.fromkeys(("n_rows", "n_outcomes"), pl.Int64),
}
_VERSIONS = """
select id, customer_id, score_type, status, display, trained_display, artefact, artefact_sha256, metrics::text,
       judgement::text, trained_from, trained_to, created_at, n_rows, n_outcomes
from model_versions
where status = %(status)s and (customer_id is null or customer_id = any(%(customers)s))
order by score_type, customer_id nulls last, id
"""
_PROMOTE = """
select changed from promote_model_version(
  %(customer)s, %(id)s, %(reason)s, %(cause)s, %(actor)s, null, %(change)s, %(at)s)
"""
# a retired version says by which one it was replaced
_BEFORE = """
select known.id from model_versions known
join model_versions now on now.status = 'champion' and now.score_type = known.score_type
  and now.customer_id is not distinct from known.customer_id
where known.customer_id is not distinct from %s and known.score_type = %s and known.status = 'retired'
  and starts_with(known.status_reason, 'replaced by ' || now.id)
order by known.created_at desc limit 1
"""
_JUDGE = """
update model_versions set judgement = %(judgement)s::jsonb,
  status = case when %(refused)s then 'refused' else status end,
  status_reason = %(reason)s
where id = %(id)s and status = 'challenger'
"""


def write_model_versions(connection: Connection, versions: pl.DataFrame) -> int:
    """Register trained models (columns of the table; `metrics` as JSON text); how many were not known yet.

    A champion among them is put in use, which retires the one before it.
    """
    ids = pl.Series("change_id", [new_id() for _ in range(versions.height)], dtype=pl.String)
    stage(connection, "versions_given", versions.with_columns(ids), _COLUMNS | {"change_id": "varchar(36)"})
    connection.execute(_SUPERSEDE)
    inserted = connection.execute(_INSERT).rowcount
    connection.execute(_USE, {"cause": BY_TRAINING, "actor": PIPELINE[0]})
    return inserted


def promote(
    connection: Connection, version_id: str, *, customer_id: str | None, reason: str, cause: str, at: datetime
) -> bool | None:
    """Put any version of a tenant, or a pooled one, in use; whether it was not before, None where there is none."""
    row = connection.execute(
        _PROMOTE,
        {"customer": customer_id, "id": version_id, "reason": reason, "cause": cause, "actor": PIPELINE[0],
         "change": new_id(), "at": at},
    ).fetchone()  # fmt: skip
    return row[0] if row else None


def version_before(connection: Connection, customer_id: str | None, score_type: str) -> str | None:
    """The version that the one in use replaced, which may be a newer one; None where it was the first."""
    row = connection.execute(_BEFORE, (customer_id, score_type)).fetchone()
    return str(row[0]) if row else None


def judged(connection: Connection, version_id: str, *, judgement: str, reason: str, refused: bool) -> None:
    """Keep the last look at a challenger (JSON text), and refuse it where that was the verdict."""
    connection.execute(_JUDGE, {"id": version_id, "judgement": judgement, "reason": reason, "refused": refused})


def champions(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """Versions in use for `customers`, pooled ones (without customer_id) among them."""
    return rows(connection, _VERSIONS, {"customers": list(customers), "status": "champion"}, CHAMPION_SCHEMA)


def challengers(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """Versions that wait to be judged."""
    return rows(connection, _VERSIONS, {"customers": list(customers), "status": "challenger"}, CHAMPION_SCHEMA)
