"""Statements on recommendations that pipelines run; a person's answer is never overwritten.

Two writers share the table. People answer through `bevyly.intent.recommendations`: accepted, dismissed, snoozed and
completed are theirs, and every statement here names the states that it may start from, so that an answer given in the
same moment wins. Pipelines write pending rows, refresh them, and end them: completed when the work is seen to be done,
superseded when another action of the same cause took the place, expired when nothing calls for them any more. Nothing
is proposed again within the rest after a person's dismissal or completion.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from bevyly.ids import new_id
from models.ranking.catalogue import BY_TYPE
from pipelines.repositories.announcements import execute_and_tell
from pipelines.repositories.staging import Connection, rows, stage

DISMISSED_REST = timedelta(days=14)
COMPLETED_REST = timedelta(days=3)

_COLUMNS = {
    "customer_id": "varchar(36)",
    "id": "varchar(36)",
    "owner_id": "varchar(36)",
    "pattern_key": "varchar(300)",
    "signal_key": "varchar(300)",
    "entity_type": "varchar(50)",
    "entity_id": "varchar(36)",
    "action_type": "varchar(50)",
    "payload": "jsonb",
    "priority": "varchar(50)",
    "title": "varchar(255)",
    "rationale": "text",
    "reasons": "jsonb",
    "evidence": "jsonb",
    "probability": "float8",
    "probability_low": "float8",
    "probability_high": "float8",
    "probability_with_action": "float8",
    "amount_minor": "bigint",
    "currency": "char(3)",
    "urgency": "real",
    "usefulness": "real",
    "expected_value_minor": "bigint",
    "expected_value_low_minor": "bigint",
    "expected_value_high_minor": "bigint",
    "basis": "varchar(50)",
    "rank": "int",
    "expires_at": "timestamptz",
    "dedupe_key": "varchar(300)",
    "model_version_id": "varchar(36)",
    "as_of": "timestamptz",
    "cause": "varchar(50)",
}
# What an identical run leaves untouched, and a refresh replaces; `as_of` follows them.
_CONTENT = (
    "owner_id", "pattern_id", "signal_id", "payload", "priority", "title", "rationale", "reasons", "evidence",
    "probability", "probability_low", "probability_high", "probability_with_action", "amount_minor", "currency",
    "urgency", "usefulness", "expected_value_minor", "expected_value_low_minor", "expected_value_high_minor", "basis",
    "rank", "expires_at", "model_version_id", "score_id",
)  # fmt: skip
# what other tables have under keys of the ranking
_FOUND = ("pattern_id", "signal_id", "score_id")
_KEY = ("customer_id", "id", "entity_type", "entity_id", "action_type", "dedupe_key")

# What events tell of every recommendation, and of a new one.
_TOLD = "known.customer_id, known.id, known.version, known.entity_type, known.entity_id, known.action_type"
_TOLD_NEW = (
    f"{_TOLD}, known.title, left(known.rationale, 10000) as rationale, known.priority, known.owner_id, known.rank, "
    "known.expected_value_minor, known.currency, known.probability, known.probability_with_action, known.signal_id, "
    "known.pattern_id, known.expires_at"
)

_RESOLVE = f"""
create temporary table wanted on commit drop as
select {", ".join(f"r.{name}" for name in (*_KEY, "as_of", "cause"))},
       {", ".join(f"r.{name}" for name in _CONTENT if name not in _FOUND)},
       p.id as pattern_id, s.id as signal_id, score.id as score_id
from recommendations_ranked r
left join patterns p on p.customer_id = r.customer_id and p.dedupe_key = r.pattern_key
left join signals s on s.customer_id = r.customer_id and s.dedupe_key = r.signal_key
left join scores score
  on score.customer_id = r.customer_id and score.entity_type = r.entity_type and score.entity_id = r.entity_id
  and score.is_current and score.model_version_id = r.model_version_id
  and score.score_type = case r.entity_type when 'lead' then 'conversion' else 'win' end
"""
_REFRESH = f"""
update recommendations known set
  {", ".join(f"{name} = w.{name}" for name in _CONTENT)},
  as_of = w.as_of, version = known.version + 1, updated_at = %(at)s
from wanted w
where known.customer_id = w.customer_id and known.dedupe_key = w.dedupe_key and known.status = 'pending'
  and known.as_of <= w.as_of
  and ({", ".join(f"known.{name}" for name in _CONTENT)})
    is distinct from ({", ".join(f"w.{name}" for name in _CONTENT)})
"""
_RESTING = """
select from recommendations past
where past.customer_id = w.customer_id and past.dedupe_key = w.dedupe_key
  and ((past.status = 'dismissed' and past.acted_at > %(dismissed_since)s)
    or (past.status = 'completed' and past.acted_at > %(completed_since)s)
    or (past.status = 'expired' and past.updated_at > %(at)s))
"""
_INSERT = f"""
insert into recommendations as known ({", ".join((*_KEY, "as_of", *_CONTENT))}, status, created_at, updated_at)
select {", ".join(f"w.{name}" for name in (*_KEY, "as_of", *_CONTENT))}, 'pending', %(at)s, %(at)s
from wanted w
where not exists ({_RESTING})
on conflict (customer_id, dedupe_key) where status in ('pending', 'accepted', 'snoozed') do nothing
returning {_TOLD_NEW}
"""
# `cause` is not a column: the actions of each cause are given as a table.
_SUPERSEDE = f"""
update recommendations known set
  status = 'superseded', superseded_by = successor.id, version = known.version + 1, updated_at = %(at)s
from wanted w
join recommendations successor
  on successor.customer_id = w.customer_id and successor.dedupe_key = w.dedupe_key and successor.status = 'pending'
join causes c on c.cause = w.cause
where known.customer_id = w.customer_id and known.entity_type = w.entity_type and known.entity_id = w.entity_id
  and known.action_type = c.action_type and known.dedupe_key <> w.dedupe_key
  and known.status = 'pending' and known.as_of <= w.as_of
returning {_TOLD}, known.superseded_by
"""
_EXPIRE = f"""
update recommendations known set status = 'expired', version = known.version + 1, updated_at = %(at)s
where known.customer_id = any(%(customers)s) and known.status = 'pending' and known.as_of <= %(at)s
  and not exists (select from wanted w where w.customer_id = known.customer_id and w.dedupe_key = known.dedupe_key)
returning {_TOLD}
"""
_WAKE = f"""
update recommendations known set
  status = 'pending', snoozed_until = null, version = known.version + 1, updated_at = %(at)s
where known.customer_id = any(%(customers)s) and known.status = 'snoozed' and known.snoozed_until <= %(at)s
returning {_TOLD}
"""
_COMPLETE = f"""
update recommendations known set
  status = 'completed', acted_at = %(at)s, version = known.version + 1, updated_at = %(at)s
from done_found d
where known.customer_id = d.customer_id and known.dedupe_key = d.dedupe_key
  and known.status in ('pending', 'accepted', 'snoozed')
returning {_TOLD}, null as user_id, 'seen_done' as reason
"""
_EXPIRE_MOOT = f"""
update recommendations known set status = 'expired', version = known.version + 1, updated_at = %(at)s
from moot m
where known.customer_id = m.customer_id and known.dedupe_key = m.dedupe_key and known.status = 'pending'
returning {_TOLD}
"""
_OPEN = """
select r.customer_id, r.id, r.owner_id, r.pattern_id, r.signal_id, r.entity_type, r.entity_id, r.action_type,
       r.payload::text, r.priority, r.title, r.rationale, r.reasons::text, r.evidence::text, r.currency, r.basis,
       r.status, r.dedupe_key, coalesce(m.display, 'rules'), s.band, r.score_id, r.probability, r.probability_low,
       r.probability_high, r.probability_with_action, r.expected_value_minor, r.expected_value_low_minor,
       r.expected_value_high_minor, r.rank, r.version, r.expires_at, r.created_at, r.usefulness::float8
from recommendations r
left join model_versions m on m.id = r.model_version_id
left join scores s
  on s.customer_id = r.customer_id and s.entity_type = r.entity_type and s.entity_id = r.entity_id and s.is_current
  and s.model_version_id = r.model_version_id
  and s.score_type = case r.entity_type when 'lead' then 'conversion' else 'win' end
where r.customer_id = any(%(customers)s) and r.status in ('pending', 'accepted', 'snoozed')
  and (%(ids)s::varchar[] is null or r.id = any(%(ids)s))
order by r.customer_id, r.rank, r.dedupe_key
"""
_DECISIONS = """
select customer_id, entity_type, entity_id, action_type, dedupe_key, status
from recommendations
where customer_id = any(%(customers)s)
  and (status in ('accepted', 'snoozed')
    or (status = 'dismissed' and acted_at > %(dismissed_since)s)
    or (status = 'completed' and acted_at > %(completed_since)s))
order by customer_id, dedupe_key, status
"""
OPEN_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(
        (
            "customer_id", "id", "owner_id", "pattern_id", "signal_id", "entity_type", "entity_id", "action_type",
            "payload", "priority", "title", "rationale", "reasons", "evidence", "currency", "basis", "status",
            "dedupe_key", "display", "band", "score_id",
        ),
        pl.String,
    ),
    **dict.fromkeys(("probability", "probability_low", "probability_high", "probability_with_action"), pl.Float64),
    **dict.fromkeys(
        ("expected_value_minor", "expected_value_low_minor", "expected_value_high_minor", "rank", "version"), pl.Int64
    ),
    **dict.fromkeys(("expires_at", "created_at"), pl.Datetime("us", "UTC")),
    "usefulness": pl.Float64,
}  # fmt: skip
_DECISION_SCHEMA = dict.fromkeys(
    ("customer_id", "entity_type", "entity_id", "action_type", "dedupe_key", "status"), pl.String
)


def replace_recommendations(
    connection: Connection, ranked: pl.DataFrame, *, customers: Sequence[str], at: datetime
) -> dict[str, int]:
    """Make the pending recommendations of `customers` those of a full ranking; counts by what happened.

    `ranked` is the frame of `models.ranking.rank`; signals and patterns must have been written before. An identical run
    changes nothing. Rows that a newer run wrote are left alone.
    """
    ids = pl.Series("id", [new_id() for _ in range(ranked.height)], dtype=pl.String)
    stage(connection, "recommendations_ranked", ranked.with_columns(ids), _COLUMNS)
    causes = pl.DataFrame([{"action_type": name, "cause": action.cause} for name, action in BY_TYPE.items()])
    stage(connection, "causes", causes, {"action_type": "varchar(50)", "cause": "varchar(50)"})
    connection.execute("drop table if exists pg_temp.wanted")
    connection.execute(_RESOLVE.encode())
    parameters = {"at": at, "customers": list(customers), **_rests(at)}
    refreshed = connection.execute(_REFRESH.encode(), parameters).rowcount
    steps = {
        "inserted": (_INSERT, "recommendation.created"),
        "superseded": (_SUPERSEDE, "recommendation.superseded"),
        "expired": (_EXPIRE, "recommendation.expired"),
    }
    return {"refreshed": refreshed} | {
        name: execute_and_tell(connection, step, parameters, type_, at=at) for name, (step, type_) in steps.items()
    }


def wake_snoozed(connection: Connection, customers: Sequence[str], *, at: datetime) -> int:
    """Snoozed recommendations whose time has come are pending again; how many."""
    parameters = {"customers": list(customers), "at": at}
    return execute_and_tell(connection, _WAKE, parameters, "recommendation.reopened", at=at)


def complete_done(connection: Connection, done: pl.DataFrame, *, at: datetime) -> int:
    """Complete open recommendations whose work was seen to be done (`models.ranking.done`), and announce it."""
    stage(connection, "done_found", done, {"customer_id": "varchar(36)", "dedupe_key": "varchar(300)"})
    return execute_and_tell(connection, _COMPLETE, {"at": at}, "recommendation.completed", at=at)


def expire_moot(connection: Connection, moot: pl.DataFrame, *, at: datetime) -> int:
    """Expire the pending ones of `moot` (customer_id, dedupe_key), and announce it; how many."""
    stage(connection, "moot", moot, {"customer_id": "varchar(36)", "dedupe_key": "varchar(300)"})
    return execute_and_tell(connection, _EXPIRE_MOOT, {"at": at}, "recommendation.expired", at=at)


def open_recommendations(
    connection: Connection, customers: Sequence[str], ids: Sequence[str] | None = None
) -> pl.DataFrame:
    """Pending, accepted and snoozed recommendations of `customers`, or of `ids`, as the briefing reads them."""
    return rows(connection, _OPEN, {"customers": list(customers), "ids": ids}, OPEN_SCHEMA)


def decisions(connection: Connection, customers: Sequence[str], *, at: datetime) -> pl.DataFrame:
    """What people have decided and still counts at `at`, as `models.ranking.rank` takes it."""
    found = rows(connection, _DECISIONS, {"customers": list(customers), **_rests(at)}, _DECISION_SCHEMA)
    cause = {name: action.cause for name, action in BY_TYPE.items()}
    return found.with_columns(pl.col("action_type").replace_strict(cause, default="other").alias("cause")).drop(
        "action_type"
    )


def _rests(at: datetime) -> dict[str, datetime]:
    return {"dismissed_since": at - DISMISSED_REST, "completed_since": at - COMPLETED_REST}
