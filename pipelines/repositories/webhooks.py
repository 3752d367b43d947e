"""Statements on webhooks: deliveries made, claimed, recorded, given up, forgotten. What people change is the API's."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.webhooks.subscriptions import CHANNEL, PING

Connection = psycopg.Connection[tuple[Any, ...]]
AsyncConnection = psycopg.AsyncConnection[tuple[Any, ...]]
Key = tuple[str, str]
"""Tenant and id of an endpoint."""

_ENDPOINTS = """
select customer_id, id, event_types, filters from webhook_endpoints
where customer_id = any(%s) and enabled and deleted_at is null
"""
_ADD_EVENTS = """
insert into webhook_events (customer_id, event_id, type, envelope, created_at)
select *, %s from unnest(%s::varchar[], %s::varchar[], %s::varchar[], %s::text[])
on conflict do nothing
"""
_ADD_DELIVERIES = """
insert into webhook_deliveries (customer_id, event_id, event_type, endpoint_id, id, next_attempt_at, created_at)
select *, %s, %s from unnest(%s::varchar[], %s::varchar[], %s::varchar[], %s::varchar[], %s::varchar[])
on conflict (customer_id, endpoint_id, event_id) do nothing
"""
# Endpoints with something pending are found by skipping through the index, so that neither those without work nor the
# length of a backlog cost anything; each then gives what its share of the room allows.
_CLAIM = f"""
with recursive waiting as (
  (select customer_id, endpoint_id from webhook_deliveries where status = 'pending'
   order by customer_id, endpoint_id limit 1)
  union all
  select next.customer_id, next.endpoint_id from waiting cross join lateral (
    select d.customer_id, d.endpoint_id from webhook_deliveries d
    where d.status = 'pending' and (d.customer_id, d.endpoint_id) > (waiting.customer_id, waiting.endpoint_id)
    order by d.customer_id, d.endpoint_id limit 1
  ) next
), busy as (
  select * from unnest(%(busy_tenants)s::varchar[], %(busy_endpoints)s::varchar[], %(busy)s::int[])
    as one (customer_id, endpoint_id, deliveries)
), offered as (
  select due.*, coalesce((select sum(deliveries) from busy where busy.customer_id = due.customer_id), 0)
    + row_number() over (partition by due.customer_id order by due.next_attempt_at) as of_tenant
  from waiting
  join webhook_endpoints e
    on e.customer_id = waiting.customer_id and e.id = waiting.endpoint_id and e.deleted_at is null
  left join busy on busy.customer_id = waiting.customer_id and busy.endpoint_id = waiting.endpoint_id
  cross join lateral (
    select d.customer_id, d.id, d.next_attempt_at from webhook_deliveries d
    where d.status = 'pending' and d.customer_id = waiting.customer_id and d.endpoint_id = waiting.endpoint_id
      and d.next_attempt_at <= %(at)s and (d.leased_until is null or d.leased_until <= %(at)s)
      and (e.enabled or d.event_type = '{PING}')
    order by d.next_attempt_at
    limit greatest(0, case when e.failing_since is null then %(per_endpoint)s else 1 end - coalesce(busy.deliveries, 0))
    for update skip locked
  ) due
), chosen as (
  select customer_id, id from offered where of_tenant <= %(per_tenant)s order by next_attempt_at limit %(room)s
)
update webhook_deliveries d set lease = %(lease)s, leased_until = %(until)s
from chosen, webhook_endpoints e, webhook_events v
where d.customer_id = chosen.customer_id and d.id = chosen.id
  and e.customer_id = d.customer_id and e.id = d.endpoint_id
  and v.customer_id = d.customer_id and v.event_id = d.event_id
returning d.customer_id, d.id, d.endpoint_id, d.event_type, d.tries, d.lease, e.url, e.secrets, v.envelope
"""
_RECORD = """
with given as (
  select * from jsonb_to_recordset(%(rows)s::jsonb) as one (
    customer_id varchar, id varchar, lease varchar, status varchar, next_attempt_at timestamptz, error varchar,
    attempt_id varchar, started_at timestamptz, latency_ms int, status_code int, address varchar, response_body text
  )
), recorded as (
  update webhook_deliveries d
  set status = given.status, tries = d.tries + 1, next_attempt_at = given.next_attempt_at, last_error = given.error,
      lease = null, leased_until = null, finished_at = case when given.status <> 'pending' then %(at)s end
  from given
  where d.customer_id = given.customer_id and d.id = given.id and d.lease = given.lease
  returning d.customer_id, d.id
), logged as (
  insert into webhook_attempts
    (customer_id, id, delivery_id, started_at, latency_ms, status_code, error, address, response_body)
  select customer_id, attempt_id, id, started_at, latency_ms, status_code, error, address, response_body
  from given join recorded using (customer_id, id)
)
select id from recorded
"""
_NOTE = """
with given as (
  select * from jsonb_to_recordset(%(rows)s::jsonb) as one (
    customer_id varchar, id varchar, worked boolean, failing_since timestamptz, failures int
  )
), held as (
  select e.customer_id, e.id from webhook_endpoints e join given using (customer_id, id)
  where not given.worked or e.failing_since is not null
  order by e.customer_id, e.id for no key update of e
)
update webhook_endpoints e
set failing_since = case when given.worked then null else coalesce(e.failing_since, given.failing_since) end,
    failures = case when given.worked then 0 else e.failures + given.failures end
from given join held using (customer_id, id)
where e.customer_id = held.customer_id and e.id = held.id
"""
_DISABLE = """
update webhook_endpoints e
set enabled = false, disabled_at = %(at)s, updated_at = %(at)s, version = version + 1,
    disabled_reason = case when e.id = any(%(gone)s) then 'gone' else 'failing' end
where (e.customer_id, e.id) in (select * from unnest(%(tenants)s::varchar[], %(endpoints)s::varchar[]))
  and e.enabled and e.deleted_at is null
  and (e.id = any(%(gone)s) or (e.failures >= %(failures)s and e.failing_since <= %(since)s))
returning e.customer_id, e.id, e.url, e.disabled_reason, e.failures, e.version
"""
_AUDIT = """
insert into audit (customer_id, id, actor_type, action, entity_type, entity_id, before, after, occurred_at)
values (%s, %s, 'system', 'webhook.disabled', 'webhook', %s, '{"enabled": true}', %s, %s)
"""
_OUTBOX = "insert into outbox (customer_id, event_id, topic, envelope) values (%s, %s, %s, %s)"
_GIVE_UP = f"""
update webhook_deliveries
set status = 'failed', last_error = 'webhook_disabled', next_attempt_at = null, finished_at = %(at)s
where (customer_id, id) in (
  select d.customer_id, d.id from webhook_endpoints e
  join webhook_deliveries d on d.customer_id = e.customer_id and d.endpoint_id = e.id and d.status = 'pending'
  where not e.enabled and (d.event_type <> '{PING}' or e.deleted_at is not null)
    and (d.leased_until is null or d.leased_until <= %(at)s)
  limit %(limit)s for update of d skip locked
)
"""
_FORGET = (
    """delete from webhook_deliveries where (customer_id, id) in (
      select customer_id, id from webhook_deliveries
      where created_at < %(before)s and status <> 'pending' limit %(limit)s
    )""",
    """delete from webhook_events where (customer_id, event_id) in (
      select v.customer_id, v.event_id from webhook_events v
      where v.created_at < %(before)s and not exists (
        select from webhook_deliveries d where d.customer_id = v.customer_id and d.event_id = v.event_id
      ) limit %(limit)s
    )""",
    """delete from webhook_endpoints where (customer_id, id) in (
      select e.customer_id, e.id from webhook_endpoints e
      where e.deleted_at < %(before)s and not exists (
        select from webhook_deliveries d where d.customer_id = e.customer_id and d.endpoint_id = e.id
      ) limit %(limit)s
    )""",
)
_MEASURE = """
select count(*), coalesce(extract(epoch from %(at)s - min(next_attempt_at)), 0)
from webhook_deliveries where status = 'pending' and next_attempt_at <= %(at)s
"""


@dataclass(frozen=True)
class Claimed:
    """A delivery that is ours for the length of a lease, with what it takes to send it."""

    customer_id: str
    id: str
    endpoint_id: str
    event_type: str
    tries: int
    lease: str
    url: str
    secrets: list[dict[str, Any]]
    envelope: str

    @property
    def endpoint(self) -> Key:
        """Tenant and id of its endpoint."""
        return self.customer_id, self.endpoint_id


@dataclass(frozen=True)
class Room:
    """How many deliveries a process may have under way: in all, for one tenant, for one endpoint."""

    total: int = 128
    per_tenant: int = 32
    per_endpoint: int = 4


def endpoints_of(connection: Connection, tenants: Iterable[str]) -> list[tuple[str, str, list[str], list[Any]]]:
    """Tenant, id, event types and filters of the endpoints of `tenants` that are switched on."""
    return connection.execute(_ENDPOINTS, (sorted(tenants),)).fetchall()


def add_deliveries(connection: Connection, wanted: Sequence[tuple[Event, str]], *, at: datetime) -> int:
    """One delivery for each event and endpoint id, due at once, unless there is one already; how many are new."""
    if not wanted:
        return 0
    events = {event.id: event for event, _ in wanted}.values()
    columns = [
        [event.tenant_id for event in events],
        [event.id for event in events],
        [event.type for event in events],
        [event.to_json().decode() for event in events],
    ]
    connection.execute(_ADD_EVENTS, (at, *columns))
    columns = [
        [event.tenant_id for event, _ in wanted],
        [event.id for event, _ in wanted],
        [event.type for event, _ in wanted],
        [endpoint_id for _, endpoint_id in wanted],
        [new_id() for _ in wanted],
    ]
    added = connection.execute(_ADD_DELIVERIES, (at, at, *columns)).rowcount
    connection.execute("select pg_notify(%s, '')", (CHANNEL,))
    return added


async def claim(
    connection: AsyncConnection, busy: Mapping[Key, int], room: Room, *, at: datetime, lease: timedelta
) -> list[Claimed]:
    """What is due and nobody's, as far as there is room beside what is `busy`; ours until the lease ends."""
    left = room.total - sum(busy.values())
    if left <= 0:
        return []
    async with connection.cursor(row_factory=class_row(Claimed)) as cursor:
        await cursor.execute(
            _CLAIM,
            {
                "busy_tenants": [customer_id for customer_id, _ in busy],
                "busy_endpoints": [endpoint_id for _, endpoint_id in busy],
                "busy": list(busy.values()),
                "per_endpoint": room.per_endpoint,
                "per_tenant": room.per_tenant,
                "room": left,
                "at": at,
                "until": at + lease,
                "lease": new_id(),
            },
        )
        return await cursor.fetchall()


async def record(connection: AsyncConnection, attempts: Sequence[Mapping[str, Any]], *, at: datetime) -> set[str]:
    """Log attempts and move their deliveries on; ids of those that were still ours."""
    cursor = await connection.execute(_RECORD, {"rows": _json(attempts), "at": at})
    return {row[0] for row in await cursor.fetchall()}


async def note_endpoints(connection: AsyncConnection, endpoints: Sequence[Mapping[str, Any]]) -> None:
    """Remember how endpoints fare: since when they fail, how many deliveries in a row were given up."""
    if endpoints:
        await connection.execute(_NOTE, {"rows": _json(endpoints)})


async def disable(
    connection: AsyncConnection,
    endpoints: Sequence[Key],
    *,
    gone: Sequence[str],
    failures: int,
    since: datetime,
    at: datetime,
) -> list[tuple[str, str, str, str, int, int]]:
    """Switch off those of `endpoints` that are gone or failed too long; tenant, id, url, reason, failures, version."""
    cursor = await connection.execute(
        _DISABLE,
        {
            "tenants": [customer_id for customer_id, _ in endpoints],
            "endpoints": [endpoint_id for _, endpoint_id in endpoints],
            "gone": list(gone),
            "failures": failures,
            "since": since,
            "at": at,
        },
    )
    disabled = await cursor.fetchall()
    for customer_id, endpoint_id, _, reason, _, _ in disabled:
        after = json.dumps({"enabled": False, "disabled_reason": reason})
        await connection.execute(_AUDIT, (customer_id, new_id(), endpoint_id, after, at))
    return disabled


async def write_outbox(connection: AsyncConnection, rows: Iterable[Mapping[str, str]]) -> None:
    """Publish events if the transaction commits; the last statement of it."""
    for row in rows:
        await connection.execute(_OUTBOX, tuple(row[name] for name in ("customer_id", "event_id", "topic", "envelope")))


async def give_up_disabled(connection: AsyncConnection, *, at: datetime, limit: int) -> int:
    """End what waits for endpoints that are switched off or deleted; how many."""
    return (await connection.execute(_GIVE_UP, {"at": at, "limit": limit})).rowcount


async def forget(connection: AsyncConnection, *, before: datetime, limit: int) -> int:
    """Delete what the log has from `before` that moment, at most `limit` of each kind; how many of the largest."""
    return max(
        [(await connection.execute(statement, {"before": before, "limit": limit})).rowcount for statement in _FORGET]
    )


async def measure(connection: AsyncConnection, *, at: datetime) -> tuple[int, float]:
    """How many deliveries are due, and for how many seconds the oldest of them."""
    row = await (await connection.execute(_MEASURE, {"at": at})).fetchone()
    return (row[0], float(row[1])) if row else (0, 0.0)


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps([dict(row) for row in rows], default=datetime.isoformat)
