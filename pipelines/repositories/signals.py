"""Statements on signals: writing what was found, closing what is over. Streams and the batch pass share the rows.

A signal is one row an episode: `dedupe_key` is its identity, whoever finds it first or again. All statements are
set-based and run in the caller's transaction.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
import psycopg
from psycopg.rows import dict_row

from bevyly.ids import new_id
from pipelines.repositories.announcements import signal_closed, signal_raised, tell
from pipelines.repositories.detectors import muted

Connection = psycopg.Connection[tuple[Any, ...]]
SignalRows = pl.DataFrame | Sequence[Mapping[str, Any]]

# What events tell of a signal.
CLOSED = (
    *("id", "customer_id", "entity_type", "entity_id", "signal_type", "polarity", "severity", "title"),
    *("closed_at", "close_reason"),
)
TOLD = "id, customer_id, entity_type, entity_id, signal_type, polarity, severity, left(title, 10000) as title"
# A finding that is older than the closing does not open the row again; an equal finding changes nothing.
_UPSERT = f"""
with written as (
insert into signals as known (
  id, customer_id, entity_type, entity_id, signal_type, polarity, severity, strength, title, data, evidence,
  dedupe_key, detector_version, found_by, first_seen_at, last_seen_at, expires_at
)
select distinct on (customer_id, dedupe_key)
  id, customer_id, entity_type, entity_id, signal_type, polarity, severity, strength, title, data, evidence,
  dedupe_key, detector_version, %(found_by)s, coalesce(seen_at, %(at)s), coalesce(seen_at, %(at)s), expires_at
from jsonb_to_recordset(%(rows)s::jsonb) as found (
  id varchar, customer_id varchar, entity_type varchar, entity_id varchar, signal_type varchar, polarity varchar,
  severity varchar, strength real, title text, data jsonb, evidence jsonb, dedupe_key varchar,
  detector_version varchar, seen_at timestamptz, expires_at timestamptz
)
order by customer_id, dedupe_key, seen_at desc nulls last
on conflict (customer_id, dedupe_key) do update set
  first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
  last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
  polarity = excluded.polarity, severity = excluded.severity, strength = excluded.strength, title = excluded.title,
  data = excluded.data, evidence = excluded.evidence, detector_version = excluded.detector_version,
  expires_at = excluded.expires_at, closed_at = null, close_reason = null
where (known.closed_at is null or known.closed_at < excluded.last_seen_at)
  and known.last_seen_at <= excluded.last_seen_at
  and (known.last_seen_at, known.polarity, known.severity, known.strength, known.title, known.data, known.evidence,
       known.detector_version, known.expires_at, known.closed_at)
    is distinct from
      (excluded.last_seen_at, excluded.polarity, excluded.severity, excluded.strength, excluded.title, excluded.data,
       excluded.evidence, excluded.detector_version, excluded.expires_at, excluded.closed_at)
returning known.*, known.xmax = 0 as is_new
)
select
  {TOLD}, least(strength, 1000000)::float8 as strength, found_by, first_seen_at, last_seen_at, expires_at,
  array(select jsonb_array_elements_text(evidence) limit 1000) as evidence,
  is_new or coalesce((
    select before.closed_at is not null from signals before
    where before.customer_id = written.customer_id and before.id = written.id
  ), false) as is_raised
from written
"""
# Each signal ends with the first closing after it was seen, or with the next one of its kind, as a pass finds one of a
# kind: the rows do not hang on how events were batched.
_CLOSE = f"""
update signals set closed_at = over.at, close_reason = over.reason
from (
  select distinct on (customer_id, id) customer_id, id, at, reason
  from (
    select open.customer_id, open.id, given.at, given.reason
    from jsonb_to_recordset(%(rows)s::jsonb) as given (
      customer_id varchar, entity_type varchar, entity_id varchar, signal_type varchar, reason varchar, at timestamptz,
      kept varchar
    )
    join signals as open on open.customer_id = given.customer_id and open.entity_type = given.entity_type
      and open.entity_id = given.entity_id and open.signal_type = coalesce(given.signal_type, open.signal_type)
    where open.closed_at is null and open.last_seen_at <= given.at and open.dedupe_key is distinct from given.kept
    union all
    select open.customer_id, open.id, later.last_seen_at, 'seen again later'
    from jsonb_to_recordset(%(found)s::jsonb) as kind (
      customer_id varchar, entity_type varchar, entity_id varchar, signal_type varchar
    )
    join signals as open using (customer_id, entity_type, entity_id, signal_type)
    join signals as later using (customer_id, entity_type, entity_id, signal_type)
    where open.closed_at is null and (later.last_seen_at, later.dedupe_key) > (open.last_seen_at, open.dedupe_key)
  ) as ends
  order by customer_id, id, at, reason
) as over
where signals.customer_id = over.customer_id and signals.id = over.id
returning {", ".join(f"signals.{name}" for name in CLOSED)}
"""
_KIND = ("customer_id", "entity_type", "entity_id", "signal_type")
_UNDECIDED = """
select wanted.customer_id, wanted.entity_type, wanted.entity_id
from unnest(%s::varchar[], %s::varchar[], %s::varchar[]) as wanted (customer_id, entity_type, entity_id)
left join opportunities o
  on wanted.entity_type = 'opportunity' and o.customer_id = wanted.customer_id and o.id = wanted.entity_id
left join leads l on wanted.entity_type = 'lead' and l.customer_id = wanted.customer_id and l.id = wanted.entity_id
left join accounts a
  on wanted.entity_type = 'account' and a.customer_id = wanted.customer_id and a.id = wanted.entity_id
where (o.status = 'open' and o.deleted_at is null)
  or (l.status in ('new', 'working', 'qualified') and l.deleted_at is null)
  or (
    a.deleted_at is null and a.id is not null
    and not exists (
      select from opportunities d
      where d.customer_id = a.customer_id and d.account_id = a.id and d.status = 'open' and d.deleted_at is null
    )
  )
"""


def upsert_signals(connection: Connection, signals: SignalRows, *, found_by: str, at: datetime) -> int:
    """Write `signals` (columns of the signals frame); `at` stands in for a missing `seen_at`. How many rows changed.

    What a muted detector found is stored like the rest, and announced to nobody.
    """
    rows = signals.to_dicts() if isinstance(signals, pl.DataFrame) else signals
    if not rows:
        return 0
    document = json.dumps([_document(row) for row in rows], default=_text)
    parameters = {"rows": document, "found_by": found_by, "at": at}
    with connection.cursor(row_factory=dict_row) as cursor:
        written = cursor.execute(_UPSERT.encode(), parameters).fetchall()
    raised = [row for row in written if row.pop("is_raised")]
    unheard = muted(connection, {row["customer_id"] for row in raised})
    raised = [row for row in raised if (row["customer_id"], row["signal_type"]) not in unheard]
    tell(connection, (signal_raised(row, at=row["last_seen_at"]) for row in raised))
    return len(written)


def close_signals(
    connection: Connection, closings: Sequence[Mapping[str, Any]], *, found: Sequence[Mapping[str, Any]] = ()
) -> int:
    """Close open signals; how many. One mapping an entity and signal type: customer_id, entity_type, entity_id,
    signal_type (None for all of them), reason, at, and `kept`, the key of one that stays. What was seen after `at`
    stays open. Of the kinds of `found`, which were just written, only the latest of each entity does.
    """
    if not closings and not found:
        return 0
    parameters = {
        "rows": json.dumps([dict(row) for row in closings], default=_text),
        "found": json.dumps([{name: row[name] for name in _KIND} for row in found]),
    }
    return close_and_tell(connection, _CLOSE, parameters)


def close_and_tell(connection: Connection, statement: str, parameters: Mapping[str, Any]) -> int:
    """Run a statement that closes signals and returns `CLOSED`, and announce each of them; how many."""
    with connection.cursor(row_factory=dict_row) as cursor:
        closed = cursor.execute(statement.encode(), parameters).fetchall()
    for row in closed:
        row["reason"] = row.pop("close_reason")
    tell(connection, (signal_closed(row, at=row["closed_at"]) for row in closed))
    return len(closed)


def undecided(connection: Connection, entities: Iterable[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Those of `entities` (customer, type, id) that are open deals, undecided leads or accounts without such deals."""
    wanted = sorted(set(entities))
    if not wanted:
        return set()
    columns = [list(column) for column in zip(*wanted, strict=True)]
    return {(customer, kind, entity) for customer, kind, entity in connection.execute(_UNDECIDED, columns).fetchall()}


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    data = row["data"]
    return {"id": new_id(), **row, "data": json.loads(data) if isinstance(data, str) else data}


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
