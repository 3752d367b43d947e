"""Statements on rankings: what the latest one left out, and whether the briefings made from it were published.

Between the two, and for as long as a check fails, its recommendations are in their table and in no briefing.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from pipelines.briefing.inputs import LEFT_OUT
from pipelines.repositories.staging import Connection, rows, stage

_STAGED = {"customer_id": "varchar(36)", "owner_id": "varchar(36)", "reason": "text", "count": "bigint"}
_KEEP = """
insert into rankings as known (customer_id, as_of, left_out)
select given.id, %(at)s, coalesce((
  select jsonb_agg(jsonb_build_object('owner_id', l.owner_id, 'reason', l.reason, 'count', l.count)
                   order by l.owner_id, l.reason)
  from ranking_left_out l where l.customer_id = given.id), '[]')
from unnest(%(customers)s::varchar[]) as given (id)
on conflict (customer_id) do update set as_of = excluded.as_of, left_out = excluded.left_out, published_at = null
where known.as_of <= excluded.as_of
"""
_PUBLISHED = """
update rankings set published_at = %(now)s where customer_id = any(%(customers)s) and as_of = %(at)s
"""
_LEFT_OUT = """
select r.customer_id, l.owner_id, l.reason, l.count
from rankings r
cross join jsonb_to_recordset(r.left_out) as l (owner_id varchar, reason varchar, count bigint)
where r.customer_id = any(%(customers)s)
order by 1, 2, 3
"""
_IN_BRIEFINGS = """
select customer_id from rankings where customer_id = any(%(customers)s) and published_at is not null
"""


def keep_ranking(connection: Connection, left_out: pl.DataFrame, *, customers: Sequence[str], at: datetime) -> None:
    """Keep what the ranking of `customers` as of `at` left out, as not yet published; a newer one stays."""
    stage(connection, "ranking_left_out", left_out, _STAGED)
    connection.execute(_KEEP, {"customers": list(customers), "at": at})


def mark_published(connection: Connection, customers: Sequence[str], *, at: datetime, now: datetime) -> None:
    """The briefings of the ranking as of `at` are published."""
    connection.execute(_PUBLISHED, {"customers": list(customers), "at": at, "now": now})


def published(connection: Connection, customers: Sequence[str]) -> set[str]:
    """Those of `customers` whose latest ranking is the one in their briefings."""
    return {row[0] for row in connection.execute(_IN_BRIEFINGS, {"customers": list(customers)}).fetchall()}


def left_out_of(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """What the latest ranking of `customers` left out, as `models.ranking` gives it."""
    return rows(connection, _LEFT_OUT, {"customers": list(customers)}, LEFT_OUT)
