"""Reads of what is new of companies: how their size changed lately, by raw events and by what streams keep until it is
there.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from pipelines.repositories.recent_changes import SIZES
from pipelines.repositories.staging import Connection

Rows = Sequence[Mapping[str, Any]]


def _size(path: str) -> str:
    return f"case jsonb_typeof({path}) when 'number' then ({path})::numeric end"


_STEPS = " union all ".join(
    f"""
    select customer_id, account_id, at, event_id, occurred_at, recorded_at, '{kind}' as kind,
      {_size(f"data -> 'after' -> '{name}'")} as size, {_size(f"data -> 'before' -> '{name}'")} as before
    from told where type = 'account.updated'
    union all
    select customer_id, account_id, at, event_id, occurred_at, recorded_at, '{kind}', size, lag(size) over (
        partition by customer_id, account_id, data ->> 'provider' order by occurred_at, event_id
      )
    from (select *, {_size(f"data -> 'fields' -> '{name}'")} as size from told) as answered
    where type = 'enrichment.completed' and data ->> 'status' = 'matched' and size is not null
    """
    for name, kind in SIZES.items()
)
# As marts have it (`summarize_account_changes`): the largest change of a size that was recorded, or that a provider
# told in two answers. By ix_events_told_before, whose condition it repeats.
_NEWS = f"""
with given as (
  select customer_id, account_id, null as opportunity_id, at
  from jsonb_to_recordset(%(accounts)s::jsonb) as g (customer_id varchar, account_id varchar, at timestamptz)
  union all
  select g.customer_id, o.account_id, o.id, g.at
  from jsonb_to_recordset(%(deals)s::jsonb) as g (customer_id varchar, opportunity_id varchar, at timestamptz)
  join opportunities o on o.customer_id = g.customer_id and o.id = g.opportunity_id
),
wanted as (
  select customer_id, account_id, max(at) as at from given where account_id is not null group by 1, 2
),
told as (
  select distinct on (w.customer_id, w.account_id, e.event_id) w.*, e.*
  from wanted w
  join lateral (
    select s.event_id, s.type, s.occurred_at, s.recorded_at, s.data from raw.events s
    where s.customer_id = w.customer_id and coalesce(s.data ->> 'entity_id', s.subject_id) = w.account_id
      and s.type in ('account.updated', 'enrichment.completed')
    union all
    select r.event_id, r.type, r.occurred_at, r.recorded_at, r.data from recent_changes r
    where r.customer_id = w.customer_id and r.record_id = w.account_id
  ) as e on e.recorded_at <= w.at
),
largest as (
  select distinct on (customer_id, account_id)
    customer_id, account_id, event_id, kind, round(size / before - 1, 6)::float8 as change
  from ({_STEPS}) as steps
  where size > 0 and before > 0 and size <> before and recorded_at > at - %(lives)s
  order by customer_id, account_id, abs(size / before - 1) desc, event_id
)
select w.customer_id, w.account_id, w.at, l.event_id, l.kind, l.change, d.deals, d.times
from wanted w
left join largest l using (customer_id, account_id)
left join lateral (
  select array_agg(o.id) as deals, array_agg(told.at) as times
  from opportunities o
  cross join lateral (
    select max(g.at) as at from given g
    where g.customer_id = o.customer_id and g.account_id = o.account_id
      and (g.opportunity_id is null or g.opportunity_id = o.id)
  ) as told
  where o.customer_id = w.customer_id and o.account_id = w.account_id and o.status = 'open' and o.deleted_at is null
) as d on true
order by w.customer_id, w.account_id
"""


class Change(NamedTuple):
    """A size of a company changed: which, by what share of what it was before, and by which event that is known."""

    event_id: str
    kind: str
    share: float


class News(NamedTuple):
    """A company as of an instant: the largest recent change of its size, if there is one, and its open deals; each with
    the instant at which it or the company was last told of, None where only others of its deals were.
    """

    customer_id: str
    account_id: str
    at: datetime
    change: Change | None
    deals: Mapping[str, datetime | None]


def news_of(connection: Connection, accounts: Rows, deals: Rows, *, lives: timedelta) -> list[News]:
    """News of `accounts` (customer_id, account_id, at) and of the companies of `deals` (customer_id, opportunity_id,
    at), as of the latest `at` of each; `lives` is how long something stays news.
    """
    if not accounts and not deals:
        return []
    parameters = {"accounts": _text(accounts), "deals": _text(deals), "lives": lives}
    return [_news(*row) for row in connection.execute(_NEWS.encode(), parameters)]


def _news(customer: str, account: str, at: datetime, *found: Any) -> News:
    event_id, kind, share, deals, times = found
    change = Change(event_id, kind, share) if event_id else None
    return News(customer, account, at, change, dict(zip(deals or (), times or (), strict=True)))


def _text(rows: Rows) -> str:
    return orjson.dumps([dict(row) for row in rows]).decode()
