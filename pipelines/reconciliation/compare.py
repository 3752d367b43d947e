"""Statements that compare what the temporary tables of `tables` hold: one row an event, then counts and names.

All run in one repeatable-read transaction, so that journal, outbox, raw events and the ingest's positions are of one
instant. Events are matched by tenant and id; the day comes afterwards, once for each event.
"""

from datetime import datetime

from pipelines.reconciliation.result import KINDS, Finding, TenantDay, Window
from pipelines.reconciliation.tables import Connection

# `unread`: raw events got it from a part of Kafka outside of what was read, or which Kafka has forgotten.
_COMPARE = """
with carried as (
  select customer_id, event_id, min(at) as at, count(*) as times, min(wire) as wire, max(wire) as other_wire,
         bool_or(m."offset" < coalesce(r.next_offset, 0)) as reached, min(topic) as topic,
         min(array[partition, m."offset"]) as place
  from messages m left join reached r using (topic, partition)
  where event_id is not null group by customer_id, event_id
)
insert into compared
select customer_id, event_id, coalesce(j.published_at, c.at), j.wire is not null, c.wire is not null,
       r.seq is not null, coalesce(c.reached, false), a.event_id is not null, p.event_id is not null,
       coalesce(c.times, 0),
       c.wire is null and r.seq is not null and e.high is not null
         and r."offset" < e.high and not (r."offset" >= e.start and r."offset" < e.stop),
       case
         when j.erased then null
         when j.wire is not null and j.body is null then 'the journal holds no event under this id'
         when j.wire <> j.other_wire then 'the journal has two contents'
         when c.wire <> c.other_wire then 'Kafka has two contents'
         when j.wire <> c.wire then 'Kafka has another content than the journal'
         when r.seq is not null and j.body <> pg_temp.body(
           r.type, r.schema_version, r.subject_type || '/' || r.subject_id, r.sequence, r.occurred_at, r.recorded_at,
           r.source, r.causation_id, r.correlation_id, r.data)
           then 'raw events have another content than the journal'
       end,
       false, true, coalesce(c.topic, r.topic), coalesce(c.place[1], r.partition), coalesce(c.place[2], r."offset")
from journaled j full join carried c using (customer_id, event_id)
left join raw.events r using (customer_id, event_id)
left join pending p using (customer_id, event_id)
left join aside a using (customer_id, event_id)
left join ends e on e.topic = r.topic and e.partition = r.partition
where coalesce(j.published_at, c.at) >= %(since)s and coalesce(j.published_at, c.at) < %(until)s
"""
_UNREADABLE = """
insert into compared
select null, null, m.at, false, true, false, m."offset" < coalesce(r.next_offset, 0), d.id is not null, false, 1, false,
       null, false, true, m.topic, m.partition, m."offset"
from messages m left join reached r using (topic, partition)
left join raw.dead_letters d on d.consumer = 'raw' and d.topic = m.topic and d.partition = m.partition
  and d."offset" = m."offset" and d.created_at >= %(first)s
where m.event_id is null and m.at >= %(since)s and m.at < %(until)s
"""
# In raw events alone. What lies in a part of Kafka that was not read belongs to another window.
_LANDED_ALONE = """
insert into compared
select r.customer_id, r.event_id, r.ingested_at, false, false, true, true, false, p.event_id is not null, 0, true, null,
       false, true, r.topic, r.partition, r."offset"
from raw.events r
left join ends e on e.topic = r.topic and e.partition = r.partition
left join pending p on p.customer_id = r.customer_id and p.event_id = r.event_id
where r.ingested_at >= %(since)s and r.ingested_at < least(%(until)s, %(started)s)
  and (%(tenant)s::varchar is null or r.customer_id = %(tenant)s)
  and (e.high is null or r."offset" < e."low" or r."offset" >= e.high
       or (r."offset" >= e.start and r."offset" < e.stop))
  and not exists (select from journaled j where j.customer_id = r.customer_id and j.event_id = r.event_id)
  and not exists (select from messages m where m.customer_id = r.customer_id and m.event_id = r.event_id)
"""
_OUTBOX_ALONE = """
insert into compared
select customer_id, event_id, created_at, false, false, false, false, false, true from pending p
where created_at >= %(since)s and created_at < %(until)s
  and not exists (select from compared c where c.customer_id = p.customer_id and c.event_id = p.event_id)
  and not exists (select from raw.events r where r.customer_id = p.customer_id and r.event_id = p.event_id)
"""
_IN_JOURNAL_AFTER_ALL = """
update compared c set journaled = true, at = j.published_at
from (
  select customer_id, event_id, min(published_at) as published_at from event_journal
  where published_at >= %(journal_from)s and (customer_id, event_id) in (
    select customer_id, event_id from compared where not journaled and not pending and event_id is not null)
  group by customer_id, event_id
) as j
where not c.journaled and c.customer_id = j.customer_id and c.event_id = j.event_id
"""
_STRANGERS = "select exists (select from compared where not journaled and not pending and event_id is not null)"
_OTHER_WINDOWS = "delete from compared where at < %(since)s or at >= %(until)s"
_KNOWN = """
update compared set known = false
where not journaled and not pending and (landed or not aside) and event_id is not null
  and at >= coalesce(%(journal_begins)s, 'infinity'::timestamptz)
"""
# What raw events got from another place than this one came before; what was published twice came late by intent.
_OUT_OF_ORDER = """
with firsts as (
  select distinct on (customer_id, event_id) customer_id, event_id, subject, sequence, topic, partition, "offset"
  from messages where event_id is not null
  order by customer_id, event_id, topic, partition, "offset"
), in_order as (
  select f.*, lag(f.sequence) over (
    partition by f.customer_id, f.subject, f.topic, f.partition order by f."offset") as before
  from firsts f left join raw.events r using (customer_id, event_id)
  where r.seq is null or (r.topic = f.topic and r.partition = f.partition and r."offset" >= f."offset")
), late as (
  select customer_id, event_id from in_order where sequence < before
), replayed as (
  select customer_id, event_id from event_journal
  where (customer_id, event_id) in (select customer_id, event_id from late)
  group by customer_id, event_id having count(*) > 1
)
update compared c set out_of_order = true
where (c.customer_id, c.event_id) in (select * from late except select * from replayed)
"""
_JOURNAL_BEGINS = "select min(published_at) from event_journal"

_JUDGED = """
select c.*, not known as unknown_origin,
  (carried or journaled) and not landed and not aside and not pending and (reached or not carried) as missing_in_raw,
  journaled and not carried and not aside and not pending and not unread as missing_on_kafka,
  not landed and not aside and (pending or (carried and not reached)) as waiting,
  landed and count(*) filter (where landed) over (partition by event_id) > 1 as doubled
from compared c
"""
_JUDGE = f"create temporary table judged as {_JUDGED}"
_DAYS = """
select j.customer_id, coalesce(t.name, j.customer_id, '(unreadable)') as tenant, (j.at at time zone 'UTC')::date as day,
  count(*) filter (where journaled) as journal, count(*) filter (where carried) as kafka,
  count(*) filter (where landed) as raw,
  count(*) filter (where aside and not landed) as set_aside, count(*) filter (where waiting) as waiting,
  coalesce(sum(greatest(times - 1, 0)), 0)::bigint as repeats,
  count(*) filter (where journaled and unread) as forgotten,
  count(*) filter (where known and not journaled and not pending and (landed or not aside) and event_id is not null)
    as unjournaled,
  count(*) filter (where missing_in_raw) as missing_in_raw,
  count(*) filter (where missing_on_kafka) as missing_on_kafka,
  count(*) filter (where unknown_origin) as unknown_origin, count(*) filter (where doubled) as doubled,
  count(*) filter (where differing is not null) as differing, count(*) filter (where out_of_order) as out_of_order
from judged j left join customers t on t.id = j.customer_id
group by j.customer_id, t.name, day order by day, tenant
"""
_FINDINGS = """
select kind, customer_id, event_id, at, detail, topic, partition, "offset"
from (
  select *, row_number() over (partition by kind order by at, topic, partition, "offset", event_id) as n
  from judged cross join lateral (values
    ('missing_in_raw', missing_in_raw, case when event_id is null then 'an unreadable message without dead letter'
       when carried then 'on Kafka, not in raw events' else 'in the journal alone' end),
    ('missing_on_kafka', missing_on_kafka, case when landed then 'in the journal and raw events, not on Kafka'
       else 'in the journal alone' end),
    ('unknown_origin', unknown_origin, case when not carried then 'in raw events alone'
       when landed then 'on Kafka and in raw events, not in the journal' else 'on Kafka, not in the journal' end),
    ('doubled', doubled, 'more than once in raw events'),
    ('differing', differing is not null, differing),
    ('out_of_order', out_of_order, 'came after a later event of its subject')
  ) as found (kind, hit, detail)
  where hit
) as named
where n <= %s
order by array_position(%s::text[], kind), n
"""


def compare(connection: Connection, window: Window, *, started: datetime) -> datetime | None:
    """Fill `judged`, one row an event of the window; when the journal begins. `started`: when Kafka was asked."""
    begins = _journal_begins(connection)
    parameters = window.parameters | {"started": started, "journal_begins": begins}
    for statement in (_COMPARE, _UNREADABLE, _LANDED_ALONE, _OUTBOX_ALONE):
        connection.execute(statement, parameters)
    # what was published while Kafka was read is found in the newest part of the journal, rarely anything elsewhere
    for journal_from in (window.parameters["first"], datetime.min.replace(tzinfo=started.tzinfo)):
        if _strangers(connection):
            connection.execute(_IN_JOURNAL_AFTER_ALL, {"journal_from": journal_from})
    for statement in (_OTHER_WINDOWS, _KNOWN, _OUT_OF_ORDER):
        connection.execute(statement, parameters)
    connection.execute(_JUDGE)
    return begins


def days(connection: Connection) -> tuple[TenantDay, ...]:
    """Counts per tenant and day, from `judged`."""
    with connection.cursor() as cursor:
        rows = cursor.execute(_DAYS).fetchall()
        names = [column.name for column in cursor.description or ()]
    return tuple(TenantDay(**dict(zip(names, row, strict=True))) for row in rows)


def findings(connection: Connection, *, most: int) -> tuple[Finding, ...]:
    """Events that are not as they should be, at most `most` of each kind, oldest first."""
    names = ("kind", "customer_id", "event_id", "published_at", "detail", "topic", "partition", "offset")
    rows = connection.execute(_FINDINGS, (most, list(KINDS))).fetchall()
    return tuple(Finding(**dict(zip(names, row, strict=True))) for row in rows)


def _journal_begins(connection: Connection) -> datetime | None:
    row = connection.execute(_JOURNAL_BEGINS).fetchone()
    return row[0] if row else None


def _strangers(connection: Connection) -> bool:
    row = connection.execute(_STRANGERS).fetchone()
    return bool(row and row[0])
