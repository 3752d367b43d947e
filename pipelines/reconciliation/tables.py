"""Statements that gather what each place holds into temporary tables of one session.

`body` hashes what an envelope and a row of raw events have in common, by value: 64 bits, which compare one with one and
never many with many. The exception in `body_of` is for an envelope that somebody broke: that is a finding, not the end.
"""

from typing import Any

import psycopg

from bevyly.privacy.catalogue import ERASED
from pipelines.reconciliation.result import Window

Connection = psycopg.Connection[tuple[Any, ...]]

_OF_ENVELOPE = """pg_temp.body(
    e->>'type', coalesce((e->>'schemaversion')::int, 1), e->>'subject', (e->>'sequence')::bigint,
    (e->>'time')::timestamptz, (e->>'recordedtime')::timestamptz, e->>'source', e->>'causationid', e->>'correlationid',
    e->'data')"""
_BODY = f"(select {_OF_ENVELOPE} from (select envelope::jsonb as e offset 0) as parsed)"
_PREPARE = f"""
set work_mem = '64MB';
set jit = off;
create function pg_temp.body(text, int, text, bigint, timestamptz, timestamptz, text, text, text, jsonb) returns bigint
language sql stable as $$
  select hash_record_extended(row($1, $2, $3, $4, $5, $6, $7, $8, $9, $10), 0)
$$;
create function pg_temp.body_of(envelope text) returns bigint language plpgsql stable as $$
declare e jsonb;
begin
  e := envelope::jsonb;
  return {_OF_ENVELOPE};
exception when data_exception then
  return null;
end $$;
create temporary table journaled (
  customer_id varchar(36), event_id varchar(36), published_at timestamptz, wire text collate "C",
  other_wire text collate "C", body bigint, erased boolean
);
create temporary table ends (topic varchar(100), partition int, "low" bigint, start bigint, stop bigint, high bigint);
create temporary table messages (
  topic varchar(100), partition int, "offset" bigint, at timestamptz, customer_id varchar(36), event_id varchar(36),
  subject text, sequence bigint, wire text collate "C"
);
create temporary table reached (topic varchar(100), partition int, next_offset bigint);
create temporary table aside (customer_id varchar(36), event_id varchar(36));
create temporary table pending (customer_id varchar(36), event_id varchar(36), created_at timestamptz);
create temporary table compared (
  customer_id varchar(36), event_id varchar(36), at timestamptz,
  journaled boolean not null, carried boolean not null, landed boolean not null,
  reached boolean not null, aside boolean not null, pending boolean not null,
  times bigint not null default 0, unread boolean not null default false,
  differing text, out_of_order boolean not null default false, known boolean not null default true,
  topic varchar(100), partition int, "offset" bigint
);
"""
_JOURNALED = """
insert into journaled
select customer_id, event_id, min(published_at), min(wire), max(wire), min(body), bool_or(erased)
from (
  select customer_id, event_id, published_at,
         left(encode(sha256(convert_to(envelope, 'UTF8')), 'hex'), 32) collate "C" as wire,
         {body} as body, envelope = '{erased}' as erased
  from event_journal
  where published_at >= %(first)s and published_at < %(last)s
    and (%(tenant)s::varchar is null or customer_id = %(tenant)s)
) as entry
group by customer_id, event_id
"""
_REACHED = """
insert into reached select topic, partition, next_offset from raw.consumer_offsets where consumer_group = 'raw'
"""
# What was redriven a moment ago is on its way again.
_ASIDE = """
insert into aside
select m.customer_id, m.event_id from messages m
join raw.dead_letters d on d.topic = m.topic and d.partition = m.partition and d."offset" = m."offset"
where d.consumer = 'raw' and d.created_at >= %(first)s and m.event_id is not null
  and (d.status <> 'redriven' or d.resolved_at >= %(started)s)
union
select customer_id, event_id from raw.dead_letters d
where consumer = 'raw' and created_at >= %(first)s and customer_id is not null and event_id is not null
  and (status <> 'redriven' or resolved_at >= %(started)s)
"""
_PENDING = """
insert into pending select customer_id, event_id, min(created_at) from outbox
where %(tenant)s::varchar is null or customer_id = %(tenant)s
group by customer_id, event_id
"""


def prepare(connection: Connection) -> None:
    """Make the temporary tables and functions of this session."""
    connection.execute(_PREPARE)


def gather_journal(connection: Connection, window: Window) -> None:
    """Fill `journaled`. Before Kafka is asked for its ends: what is in the journal then, Kafka has acknowledged."""
    try:
        connection.execute(_JOURNALED.format(body=_BODY, erased=ERASED).encode(), window.parameters)
    except psycopg.DataError:  # somebody broke an envelope: look at each with care, which takes longer
        connection.execute(
            _JOURNALED.format(body="pg_temp.body_of(envelope)", erased=ERASED).encode(), window.parameters
        )


def gather_positions(connection: Connection) -> None:
    """Fill `reached`: how far the ingest is in each partition. Beyond it, nothing can be missing."""
    connection.execute(_REACHED)


def gather_rest(connection: Connection, parameters: dict[str, Any]) -> None:
    """Fill `aside` (dead letters of the ingest) and `pending` (the outbox), and tell the planner of all tables."""
    connection.execute(_ASIDE, parameters)
    connection.execute(_PENDING, parameters)
    connection.execute("analyze journaled, messages, ends, reached, aside, pending")
