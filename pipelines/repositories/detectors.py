"""Statements on what is known of detectors: their standing with a tenant, lines it has learned, which are muted.

Belongs here: reads and writes of these tables, and what people answered. What follows from it: `models.signals`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from bevyly.intent.thresholds import Thresholds
from models.signals.detect import WEIGHTS
from models.signals.lines import LINES
from models.signals.scoreboard import COUNTS
from models.signals.standing import FEEDBACK
from pipelines.repositories.answers import ANSWERED, REASON, WRONG
from pipelines.repositories.staging import Connection, rows, stage

_FIGURES = (
    *(
        "votes",
        "votes_right",
        "expected",
        "precision",
        "precision_low",
        "precision_high",
        "lift",
        "lift_low",
        "lift_high",
        "odds",
        "odds_high",
    ),
    *("lead_days", "lead_days_low", "lead_days_high", "weight"),
)
_STANDING = {
    "customer_id": "varchar(36)",
    "signal_type": "varchar(50)",
    **dict.fromkeys(("n", "hits", "answered", "wrong", "not_useful"), "integer"),
    **dict.fromkeys(_FIGURES, "float8"),
    "muted": "boolean",
    "reason": "text",
}
_LINE = {
    "customer_id": "varchar(36)", "name": "varchar(50)", "stage": "varchar(50)", "value": "float8", "n": "integer",
    "gain": "float8",
}  # fmt: skip
_KEYS = {"customer_id": pl.String(), "signal_type": pl.String()}

_CONTENT = [name for name in _STANDING if name not in _KEYS]
# `since` is when it was muted, or heard again; an identical pass writes nothing.
_WRITE = f"""
insert into detector_standings as known ({", ".join(_STANDING)}, since, computed_at)
select {", ".join(_STANDING)}, %(at)s, %(at)s from standings_found
on conflict (customer_id, signal_type) do update set
  {", ".join(f"{name} = excluded.{name}" for name in _CONTENT)},
  since = case when known.muted = excluded.muted then known.since else excluded.since end,
  computed_at = excluded.computed_at
where ({", ".join(f"known.{name}" for name in _CONTENT)})
  is distinct from ({", ".join(f"excluded.{name}" for name in _CONTENT)})
"""
_FORGET = """
delete from detector_standings s
where s.customer_id = any(%(customers)s)
  and not exists (
    select from standings_found f where f.customer_id = s.customer_id and f.signal_type = s.signal_type
  )
"""
_WRITE_LINES = """
insert into detector_lines as known (customer_id, name, stage, value, n, gain, learned_at)
select customer_id, name, stage, value, n, gain, %(at)s from lines_found
on conflict (customer_id, name, stage) do update set
  value = excluded.value, n = excluded.n, gain = excluded.gain,
  learned_at = case when known.value = excluded.value then known.learned_at else excluded.learned_at end
where (known.value, known.n, known.gain) is distinct from (excluded.value, excluded.n, excluded.gain)
"""
_FORGET_LINES = """
delete from detector_lines l
where l.customer_id = any(%(customers)s)
  and not exists (
    select from lines_found f where f.customer_id = l.customer_id and f.name = l.name and f.stage = l.stage
  )
"""
_LINES = """
select customer_id, name, stage, value, n, gain from detector_lines
where customer_id = any(%(customers)s) order by 1, 2, 3
"""
_WEIGHTS = """
select customer_id, signal_type, weight from detector_standings where customer_id = any(%(customers)s) order by 1, 2
"""
_SILENCED = """
select customer_id, signal_type from detector_standings
where customer_id = any(%(customers)s) and muted order by 1, 2
"""
_MUTED = """
select customer_id, signal_type from muted_detectors where customer_id = any(%(customers)s) order by 1, 2
"""
# What tenants of other passes have seen, where they let others learn from it.
_SHARED = f"""
select {", ".join(f"s.{name}" for name in COUNTS)}
from detector_standings s
join customers c on c.id = s.customer_id
where c.pooling and s.n > 0 and not s.customer_id = any(%(customers)s)
order by s.customer_id, s.signal_type
"""
_POOLING = "select id from customers where pooling and id = any(%(customers)s) order by id"
_FEEDBACK = f"""
select r.customer_id, s.signal_type, count(*),
       count(*) filter (where {REASON} in {WRONG}),
       count(*) filter (where {REASON} = 'not_useful')
from recommendations r
join signals s on s.customer_id = r.customer_id and s.id = r.signal_id
where r.customer_id = any(%(customers)s) and {ANSWERED}
group by 1, 2 order by 1, 2
"""
_HUSHED = """
select s.customer_id, coalesce(o.owner_id, l.owner_id, a.owner_id), count(*)
from signals s
join muted_detectors m on m.customer_id = s.customer_id and m.signal_type = s.signal_type
left join opportunities o on s.entity_type = 'opportunity' and o.customer_id = s.customer_id and o.id = s.entity_id
left join leads l on s.entity_type = 'lead' and l.customer_id = s.customer_id and l.id = s.entity_id
left join accounts a on s.entity_type = 'account' and a.customer_id = s.customer_id and a.id = s.entity_id
where s.customer_id = any(%(customers)s) and s.closed_at is null
group by 1, 2 order by 1, 2
"""
_OF_STREAMS = """
select c.id, c.settings -> 'signals',
       (select jsonb_object_agg(s.signal_type, s.weight) from detector_standings s where s.customer_id = c.id)
from customers c where c.id = any(%s)
"""


@dataclass(frozen=True)
class Ear:
    """Where a tenant draws its lines for single events, and how loud each detector is."""

    line: Thresholds = field(default_factory=Thresholds)
    weights: dict[str, float] = field(default_factory=dict)


def ears(connection: Connection, customers: Collection[str]) -> dict[str, Ear]:
    """What streams have to know of `customers`."""
    if not customers:
        return {}
    found = connection.execute(_OF_STREAMS, (sorted(customers),)).fetchall()
    return {tenant: Ear(Thresholds().overridden(set_ or {}), weights or {}) for tenant, set_, weights in found}


def replace_standings(
    connection: Connection, standings: pl.DataFrame, *, customers: Sequence[str], at: datetime
) -> dict[str, int]:
    """Make what is known of `customers` the frame of `models.signals.standing`; rows written and forgotten."""
    stage(connection, "standings_found", standings, _STANDING)
    parameters = {"customers": list(customers), "at": at}
    written = connection.execute(_WRITE.encode(), parameters).rowcount
    return {"written": written, "forgotten": connection.execute(_FORGET, parameters).rowcount}


def replace_lines(connection: Connection, lines: pl.DataFrame, *, customers: Sequence[str], at: datetime) -> int:
    """Make the learned lines of `customers` the frame of `models.signals.lines`; how many rows changed."""
    stage(connection, "lines_found", lines, _LINE)
    parameters = {"customers": list(customers), "at": at}
    changed = connection.execute(_WRITE_LINES, parameters).rowcount
    return changed + connection.execute(_FORGET_LINES, parameters).rowcount


def learned_lines(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """LINES of `customers`."""
    return rows(connection, _LINES, {"customers": list(customers)}, LINES)


def weights(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """WEIGHTS of `customers`."""
    return rows(connection, _WEIGHTS, {"customers": list(customers)}, WEIGHTS)


def silenced(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """(customer_id, signal_type) that the rule muted, whatever people said."""
    return rows(connection, _SILENCED, {"customers": list(customers)}, _KEYS)


def muted(connection: Connection, customers: Collection[str]) -> set[tuple[str, str]]:
    """(customer_id, signal_type) that are not heard."""
    found: list[Any] = connection.execute(_MUTED, {"customers": sorted(customers)}).fetchall()
    return {(tenant, signal_type) for tenant, signal_type in found}


def shared_counts(connection: Connection, customers: Sequence[str], counts: pl.DataFrame) -> pl.DataFrame:
    """COUNTS of all tenants that let others learn from them: `counts` of `customers`, and what is stored of others."""
    parameters = {"customers": list(customers)}
    pooling = [row[0] for row in connection.execute(_POOLING, parameters).fetchall()]
    stored = rows(connection, _SHARED, parameters, COUNTS)
    return pl.concat([counts.filter(pl.col("customer_id").is_in(pooling)), stored])


def feedback(connection: Connection, customers: Sequence[str], *, at: datetime) -> pl.DataFrame:
    """FEEDBACK of people up to `at`."""
    return rows(connection, _FEEDBACK, {"customers": list(customers), "at": at}, FEEDBACK)


def hushed(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """customer_id, owner_id, count of what is open and not heard, by who owns it."""
    schema = {"customer_id": pl.String(), "owner_id": pl.String(), "count": pl.Int64()}
    return rows(connection, _HUSHED, {"customers": list(customers)}, schema)
