"""Reads of the open recommendations of a few entities, beside what tells whether they are still worth saying.

Belongs here: what single events make moot. The table's writes are in `recommendations`.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import polars as pl

from models.ranking.noticed import GROWTH_SCHEMA
from pipelines.repositories.staging import Connection, rows


class Entity(NamedTuple):
    """A deal, a lead or an account of a tenant."""

    customer_id: str
    entity_type: str
    entity_id: str


class Growth(NamedTuple):
    """An event made a total of an entity larger (`models.ranking.noticed`)."""

    customer_id: str
    entity_type: str
    entity_id: str
    counter: str
    recorded_at: datetime


# As marts link activities: one of a lead counts for its deal, one of a deal for its lead; a person for the account's
# deals.
_SPREAD = """
with given as (
  select * from jsonb_to_recordset(%(growth)s::jsonb) as g (
    customer_id varchar, entity_type varchar, entity_id varchar, counter varchar, recorded_at timestamptz
  )
)
select * from given
union
select g.customer_id, 'lead', o.lead_id, g.counter, g.recorded_at
from given g
join opportunities o on o.customer_id = g.customer_id and o.id = g.entity_id
where g.entity_type = 'opportunity' and o.lead_id is not null
union
select g.customer_id, 'opportunity', l.opportunity_id, g.counter, g.recorded_at
from given g
join leads l on l.customer_id = g.customer_id and l.id = g.entity_id
where g.entity_type = 'lead' and l.opportunity_id is not null
union
select g.customer_id, 'opportunity', o.id, g.counter, g.recorded_at
from given g
join opportunities o on o.customer_id = g.customer_id and o.account_id = g.entity_id
where g.entity_type = 'account' and g.counter = 'contacts_total' and o.status = 'open' and o.deleted_at is null
"""
# Contacts who came back in the last 30 days, as marts count them; asked only where an item is measured by it.
_ENGAGED = """
case when r.entity_type = 'opportunity' and r.payload #> '{baseline,contacts_engaged_30d}' is not null then (
  select count(distinct person.contact_id)::float8
  from activities a
  cross join lateral (
    select a.contact_id
    union all
    select p.contact_id from activity_participants p where p.customer_id = a.customer_id and p.activity_id = a.id
  ) person
  where a.customer_id = r.customer_id and a.opportunity_id = r.entity_id
    and (a.direction = 'inbound' or (a.kind = 'meeting' and a.completed_at is not null))
    and a.deleted_at is null and a.occurred_at > %(now)s - interval '30 days' and a.occurred_at <= %(now)s
) end
"""
_ITEMS = f"""
with wanted as (
  select customer_id, id from recommendations
  where (customer_id, entity_type, entity_id) in (
      select * from jsonb_to_recordset(%(entities)s::jsonb) as e (
        customer_id varchar, entity_type varchar, entity_id varchar
      )
    )
    and status in ('pending', 'accepted', 'snoozed')
),
held as materialized (
  select * from recommendations
  where (customer_id, id) in (select customer_id, id from wanted) and status in ('pending', 'accepted', 'snoozed')
  for no key update skip locked
)
select wanted.customer_id, r.entity_type, r.entity_id, r.action_type, r.dedupe_key, r.payload::text, r.as_of,
       r.owner_id, coalesce(o.status, l.status), o.expected_close_date, o.value, {_ENGAGED},
       case r.entity_type
         when 'opportunity' then (o.status = 'open' and o.deleted_at is null) is not true
         when 'lead' then (l.status in ('new', 'working', 'qualified') and l.deleted_at is null) is not true
         when 'account' then a.id is null or a.deleted_at is not null
         else false
       end,
       r.id is not null
from wanted
left join held r on r.customer_id = wanted.customer_id and r.id = wanted.id
left join opportunities o
  on r.entity_type = 'opportunity' and o.customer_id = r.customer_id and o.id = r.entity_id
left join leads l on r.entity_type = 'lead' and l.customer_id = r.customer_id and l.id = r.entity_id
left join accounts a on r.entity_type = 'account' and a.customer_id = r.customer_id and a.id = r.entity_id
order by wanted.customer_id, wanted.id
"""
ITEMS_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("customer_id", "entity_type", "entity_id", "action_type", "dedupe_key", "payload"), pl.String),
    "as_of": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("owner_id", "status"), pl.String),
    "expected_close_date": pl.Date,
    "value_minor": pl.Int64,
    "contacts_engaged_30d": pl.Float64,
    "is_over": pl.Boolean,
    "is_held": pl.Boolean,
}


def spread(connection: Connection, growth: Iterable[Growth]) -> pl.DataFrame:
    """`growth` with the entities that it also counts for, as `models.ranking.noticed` takes it."""
    given = [one._asdict() for one in set(growth)]
    if not given:
        return pl.DataFrame(schema=GROWTH_SCHEMA)
    return rows(connection, _SPREAD, {"growth": orjson.dumps(given).decode()}, GROWTH_SCHEMA)


def hold_open_items(connection: Connection, entities: Iterable[Entity], *, now: datetime) -> pl.DataFrame:
    """The open recommendations of `entities` (`ITEMS_SCHEMA`); nobody else may change those that are `is_held` until
    the transaction ends. At the others somebody is at work, who is not waited for: nothing but their tenant is told.
    """
    wanted = [one._asdict() for one in set(entities)]
    if not wanted:
        return pl.DataFrame(schema=ITEMS_SCHEMA)
    return rows(connection, _ITEMS, {"entities": orjson.dumps(wanted).decode(), "now": now}, ITEMS_SCHEMA)
