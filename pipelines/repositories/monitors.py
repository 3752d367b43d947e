"""Statements on what watches versions: alarms, what scores are shown as, how ready a tenant is.

Belongs here: writing what was found, and reading it back. The verdicts are of `models`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import polars as pl

from bevyly.ids import new_id
from bevyly.intent.versions import BY_MONITORING, PIPELINE
from pipelines.repositories.staging import Connection, stage

_ALARMS = """
select m.model_version_id, max(m.since) from model_monitors m join model_versions v on v.id = m.model_version_id
where v.score_type = %s and m.alarm group by 1
"""
_UNANSWERED = """
select v.score_type, max(m.since) from model_monitors m join model_versions v on v.id = m.model_version_id
where v.status = 'champion' and m.alarm
  and m.since > (
    select max(p.created_at) from model_versions p where p.score_type = v.score_type and p.customer_id is null)
group by 1 order by 1
"""
_ALARMS_OF = """
select count(*), coalesce(jsonb_agg(jsonb_build_object('tenant', m.customer_id, 'score', v.score_type, 'since', m.since,
    'reason', m.reason) order by m.since desc) filter (where m.alarm), '[]')
from model_monitors m join model_versions v on v.id = m.model_version_id
where v.status = 'champion' and m.monitor = %s
"""
_STATES = (
    "select model_version_id, monitor, alarm, since, checked_at from model_monitors where model_version_id = any(%s)"
)
_MONITORS = {
    "customer_id": "varchar(36)",
    "model_version_id": "varchar(36)",
    "monitor": "varchar(50)",
    "alarm": "boolean",
    "since": "timestamptz",
    "reason": "text",
    "figures": "jsonb",
    "checked_at": "timestamptz",
}
_NAMES = ", ".join(_MONITORS)
_WRITE_MONITORS = f"""
insert into model_monitors ({_NAMES}) select {_NAMES} from monitors_given
on conflict (customer_id, model_version_id, monitor) do update set alarm = excluded.alarm, since = excluded.since,
  reason = excluded.reason, figures = excluded.figures, checked_at = excluded.checked_at
"""
_SHOW = """
with changed as (
  update model_versions v set display = %(display)s where v.id = %(id)s and v.display <> %(display)s
  returning v.customer_id, v.score_type, v.status
)
insert into display_changes (customer_id, id, score_type, model_version_id, from_display, to_display, cause, actor_type,
  reason, changed_at)
select customer_id, %(change)s, score_type, %(id)s, %(before)s, %(display)s, %(cause)s, %(actor)s, %(reason)s, %(at)s
from changed where status = 'champion'
"""
_READINESS = {
    "customer_id": "varchar(36)",
    "score_type": "varchar(50)",
    "stage": "varchar(50)",
    "have": "jsonb",
    "missing": "jsonb",
    "checked_at": "timestamptz",
}
_STANDS = ", ".join(_READINESS)
_WRITE_READINESS = f"""
insert into score_readiness as known ({_STANDS}) select {_STANDS} from readiness_given
on conflict (customer_id, score_type) do update set stage = excluded.stage, have = excluded.have,
  missing = excluded.missing, checked_at = excluded.checked_at
where (known.stage, known.have, known.missing) is distinct from (excluded.stage, excluded.have, excluded.missing)
"""
State = tuple[bool, datetime, datetime]


def alarms(connection: Connection, score_type: str) -> dict[str, datetime]:
    """Since when versions of `score_type` alarm, the latest of each, by version id."""
    return dict(connection.execute(_ALARMS, (score_type,)).fetchall())


def alarms_of(connection: Connection, monitor: str) -> tuple[int, list[dict[str, Any]]]:
    """How many versions in use `monitor` watches, and those of which it alarms, the newest first."""
    row = connection.execute(_ALARMS_OF, (monitor,)).fetchone()
    assert row is not None
    return row[0], row[1]


def unanswered(connection: Connection) -> list[tuple[str, datetime]]:
    """Score types whose versions in use alarm since they were last trained, with the newest alarm of each."""
    return connection.execute(_UNANSWERED).fetchall()


def states(connection: Connection, versions: Sequence[str]) -> dict[tuple[str, str], State]:
    """(alarm, since, checked_at) by version id and monitor."""
    found = connection.execute(_STATES, (list(versions),)).fetchall()
    return {(version, monitor): (alarm, since, checked) for version, monitor, alarm, since, checked in found}


def write_monitors(connection: Connection, given: Sequence[Mapping[str, Any]]) -> None:
    """Write what monitors say now (columns of the table; `figures` a plain dict)."""
    frame = pl.DataFrame(
        [{**row, "figures": orjson.dumps(row["figures"]).decode()} for row in given], infer_schema_length=None
    )
    stage(connection, "monitors_given", frame, _MONITORS)
    connection.execute(_WRITE_MONITORS)


def show(connection: Connection, version: Mapping[str, Any], display: str, *, reason: str, at: datetime) -> None:
    """Have the scores of a version in use shown as `display` from now on, and write down that it is so, and why."""
    connection.execute(
        _SHOW,
        {"id": version["id"], "before": version["display"], "display": display, "change": new_id(),
         "cause": BY_MONITORING, "actor": PIPELINE[0], "reason": reason, "at": at},
    )  # fmt: skip


def write_readiness(connection: Connection, given: Sequence[Mapping[str, Any]]) -> int:
    """Write how ready tenants are (columns of the table; `have` and `missing` plain values); how many rows changed."""
    frame = pl.DataFrame(
        [
            {**row, "have": orjson.dumps(row["have"]).decode(), "missing": orjson.dumps(row["missing"]).decode()}
            for row in given
        ],
        infer_schema_length=None,
    )
    stage(connection, "readiness_given", frame, _READINESS)
    return connection.execute(_WRITE_READINESS).rowcount
