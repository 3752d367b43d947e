"""Statements on patterns and their members.

Belongs here: writing what a pass found, closing what it did not find again. What a pattern is: `models.patterns`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from bevyly.ids import new_id
from pipelines.repositories.staging import Connection, rows, stage

REMEMBERED = timedelta(days=30)
"""How long the name of a cluster that no longer holds anywhere is kept for one like it."""

_COLUMNS = {
    "customer_id": "varchar(36)",
    "id": "varchar(36)",
    "entity_type": "varchar(50)",
    "entity_id": "varchar(36)",
    "pattern_type": "varchar(50)",
    "title": "text",
    "polarity": "varchar(1)",
    "confidence": "real",
    "confidence_low": "real",
    "confidence_high": "real",
    "lift": "real",
    "data": "jsonb",
    "dedupe_key": "varchar(300)",
    "seen_at": "timestamptz",
}
OPEN_SCHEMA = {
    **dict.fromkeys(
        ("customer_id", "id", "entity_type", "entity_id", "pattern_type", "title", "polarity", "data", "dedupe_key"),
        pl.String,
    ),
    **dict.fromkeys(("confidence", "confidence_low", "confidence_high", "lift"), pl.Float64),
}

_UPSERT = """
insert into patterns as known (
  customer_id, id, entity_type, entity_id, pattern_type, title, polarity, confidence, confidence_low, confidence_high,
  lift, data, dedupe_key, first_seen_at, last_seen_at
)
select customer_id, id, entity_type, entity_id, pattern_type, title, polarity, confidence, confidence_low,
       confidence_high, lift, data, dedupe_key, seen_at, seen_at
from patterns_found
on conflict (customer_id, dedupe_key) do update set
  title = excluded.title, polarity = excluded.polarity, confidence = excluded.confidence,
  confidence_low = excluded.confidence_low, confidence_high = excluded.confidence_high, lift = excluded.lift,
  data = excluded.data, last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at), closed_at = null
where (known.title, known.polarity, known.confidence, known.confidence_low, known.confidence_high, known.lift,
       known.data, known.closed_at) is distinct from
      (excluded.title, excluded.polarity, excluded.confidence, excluded.confidence_low, excluded.confidence_high,
       excluded.lift, excluded.data, null)
   or known.last_seen_at < excluded.last_seen_at
"""
_MEMBERS = """
wanted as (
  select p.customer_id, p.id as pattern_id, s.id as signal_id
  from members_found m
  join patterns p on p.customer_id = m.customer_id and p.dedupe_key = m.pattern_key
  join signals s on s.customer_id = m.customer_id and s.dedupe_key = m.signal_key
)
"""
_ADD = f"""
with {_MEMBERS}
insert into pattern_signals (customer_id, pattern_id, signal_id)
select customer_id, pattern_id, signal_id from wanted
on conflict do nothing
"""
_DROP = f"""
with {_MEMBERS}
delete from pattern_signals l
using patterns p, patterns_found f
where p.customer_id = l.customer_id and p.id = l.pattern_id
  and f.customer_id = p.customer_id and f.dedupe_key = p.dedupe_key
  and not exists (
    select from wanted w
    where w.customer_id = l.customer_id and w.pattern_id = l.pattern_id and w.signal_id = l.signal_id
  )
"""
_CLOSE = """
update patterns p set closed_at = %(at)s
where p.customer_id = any(%(customers)s) and p.closed_at is null and p.last_seen_at <= %(at)s
  and not exists (
    select from patterns_found f where f.customer_id = p.customer_id and f.dedupe_key = p.dedupe_key
  )
"""
_OPEN = """
select customer_id, id, entity_type, entity_id, pattern_type, title, polarity, data::text, dedupe_key,
       confidence::float8, confidence_low::float8, confidence_high::float8, lift::float8
from patterns
where customer_id = any(%(customers)s) and closed_at is null
  and (%(entities)s::varchar[] is null or entity_id = any(%(entities)s))
order by customer_id, entity_type, entity_id, pattern_type, dedupe_key
"""
# A cluster is seen on many entities: as it was seen last.
_CLUSTERS = """
select distinct on (customer_id, entity_type, pattern_type) customer_id, entity_type, pattern_type, data -> 'signals'
from patterns
where customer_id = any(%(customers)s) and starts_with(pattern_type, 'cluster_')
  and last_seen_at > %(since)s and last_seen_at <= %(at)s
order by customer_id, entity_type, pattern_type, last_seen_at desc, id desc
"""
MEMBER_SCHEMA = dict.fromkeys(("customer_id", "pattern_key", "signal_key"), pl.String)
_OPEN_MEMBERS = """
select p.customer_id, p.dedupe_key, s.dedupe_key
from patterns p
join pattern_signals m on m.customer_id = p.customer_id and m.pattern_id = p.id
join signals s on s.customer_id = m.customer_id and s.id = m.signal_id
where p.customer_id = any(%(customers)s) and p.closed_at is null and s.closed_at is null
  and (%(entities)s::varchar[] is null or p.entity_id = any(%(entities)s))
order by 1, 2, 3
"""


def recent_clusters(
    connection: Connection, customers: Sequence[str], *, at: datetime
) -> dict[tuple[str, str], dict[str, frozenset[str]]]:
    """Discovered clusters of the last `REMEMBERED`, as `models.patterns.learn` takes them: members by name."""
    parameters = {"customers": list(customers), "at": at, "since": at - REMEMBERED}
    found: dict[tuple[str, str], dict[str, frozenset[str]]] = {}
    for customer, kind, name, members in connection.execute(_CLUSTERS, parameters).fetchall():
        found.setdefault((customer, kind), {})[name] = frozenset(members)
    return found


def replace_patterns(
    connection: Connection, patterns: pl.DataFrame, members: pl.DataFrame, *, customers: Sequence[str], at: datetime
) -> dict[str, int]:
    """Make the open patterns of `customers` those of a full pass; counts of rows written, closed, linked, unlinked.

    `patterns` and `members` are the frames of `models.patterns.find`. The signals must have been written before.
    """
    ids = pl.Series("id", [new_id() for _ in range(patterns.height)], dtype=pl.String)
    stage(connection, "patterns_found", patterns.with_columns(ids), _COLUMNS)
    keys = {"customer_id": "varchar(36)", "pattern_key": "varchar(300)", "signal_key": "varchar(300)"}
    stage(connection, "members_found", members, keys)
    parameters = {"customers": list(customers), "at": at}
    return {
        "written": connection.execute(_UPSERT).rowcount,
        "closed": connection.execute(_CLOSE, parameters).rowcount,
        "linked": connection.execute(_ADD).rowcount,
        "unlinked": connection.execute(_DROP).rowcount,
    }


def open_patterns(
    connection: Connection, customers: Sequence[str], entities: Sequence[str] | None = None
) -> pl.DataFrame:
    """All open patterns of `customers`, with their id; only those of `entities` where they are given."""
    return rows(connection, _OPEN, {"customers": list(customers), "entities": entities}, OPEN_SCHEMA)


def pattern_members(
    connection: Connection, customers: Sequence[str], entities: Sequence[str] | None = None
) -> pl.DataFrame:
    """(customer_id, pattern_key, signal_key) of the open patterns of `customers`, as `models.ranking.rank` takes it."""
    return rows(connection, _OPEN_MEMBERS, {"customers": list(customers), "entities": entities}, MEMBER_SCHEMA)
