"""Statements on signals that only a batch pass runs: closing what it no longer finds, reading what is open.

Belongs here: what needs the whole picture. Writing and closing single signals is `signals`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from models.signals.registry import SIGNAL_TYPES
from pipelines.repositories.signals import CLOSED, close_and_tell
from pipelines.repositories.staging import Connection, rows, stage

# What streams have just found may have been on its way into the picture that a pass looks at; the next one knows it.
ON_THE_WAY = timedelta(minutes=5)

OPEN_SCHEMA = {
    **dict.fromkeys(
        ("customer_id", "id", "entity_type", "entity_id", "signal_type", "polarity", "severity", "title", "data"),
        pl.String,
    ),
    "strength": pl.Float64,
    "evidence": pl.List(pl.String),
    "dedupe_key": pl.String,
    "detector_version": pl.String,
    **dict.fromkeys(("first_seen_at", "last_seen_at", "expires_at"), pl.Datetime("us", "UTC")),
}

_CLOSE = f"""
update signals s set closed_at = %(at)s, close_reason = case
    when e.entity_id is null then 'no longer open'
    when s.expires_at <= %(at)s then 'expired'
    else 'no longer so'
  end
from signals o
left join entities_seen e
  on e.customer_id = o.customer_id and e.entity_type = o.entity_type and e.entity_id = o.entity_id
where s.customer_id = o.customer_id and s.id = o.id
  and o.customer_id = any(%(customers)s) and o.entity_type = any(%(kinds)s) and o.signal_type = any(%(types)s)
  and o.closed_at is null and o.last_seen_at <= %(at)s and s.closed_at is null and s.last_seen_at <= %(at)s
  and not exists (
    select from signals_found f where f.customer_id = o.customer_id and f.dedupe_key = o.dedupe_key
  )
  and not (
    o.found_by = 'stream' and o.last_seen_at > %(at)s - %(on_the_way)s and e.entity_id is not null
    and not exists (
      select from signals_found f
      where f.customer_id = o.customer_id and f.entity_type = o.entity_type and f.entity_id = o.entity_id
        and f.signal_type = o.signal_type and f.seen_at >= o.last_seen_at
    )
  )
returning {", ".join(f"s.{name}" for name in CLOSED)}
"""
HEARD = """
select customer_id, id, entity_type, entity_id, signal_type, polarity, severity, title, data::text, strength::float8,
       array(select jsonb_array_elements_text(evidence)), dedupe_key, detector_version,
       first_seen_at, last_seen_at, expires_at
from signals s
where customer_id = any(%(customers)s) and closed_at is null
  and not exists (
    select from muted_detectors m where m.customer_id = s.customer_id and m.signal_type = s.signal_type
  )
  and (%(entities)s::varchar[] is null or entity_id = any(%(entities)s))
"""
_OPEN = f"{HEARD} order by customer_id, entity_type, entity_id, signal_type, dedupe_key"
_FOUND = {
    **dict.fromkeys(("customer_id", "entity_id"), "varchar(36)"),
    **dict.fromkeys(("entity_type", "signal_type"), "varchar(50)"),
    "dedupe_key": "varchar(300)",
    "seen_at": "timestamptz",
}
_KEY = {"customer_id": "varchar(36)", "entity_type": "varchar(50)", "entity_id": "varchar(36)"}


def close_missing(
    connection: Connection, found: pl.DataFrame, entities: pl.DataFrame, *, customers: Sequence[str], at: datetime
) -> int:
    """Close open signals of `customers` that a full pass did not find again; how many.

    `found`: signals frame of the pass; `entities`: customer_id, entity_type, entity_id of all that it looked at, of
    every entity type that it covers. What was seen after `at` stays open, and what streams have seen just before.
    """
    stage(connection, "signals_found", found, _FOUND)
    stage(connection, "entities_seen", entities.unique(), _KEY)
    parameters = {
        "customers": list(customers),
        "kinds": ["opportunity", "lead", "account"],
        "types": list(SIGNAL_TYPES),
        "at": at,
        "on_the_way": ON_THE_WAY,
    }
    return close_and_tell(connection, _CLOSE, parameters)


def open_signals(
    connection: Connection, customers: Sequence[str], entities: Sequence[str] | None = None
) -> pl.DataFrame:
    """All open signals of `customers` that are heard, whoever found them, in the columns of the signals frame and with
    their id, of `entities` only where they are given; those of muted detectors are not among them.
    """
    return rows(connection, _OPEN, {"customers": list(customers), "entities": entities}, OPEN_SCHEMA)
