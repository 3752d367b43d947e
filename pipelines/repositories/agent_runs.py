"""Statements on agent runs and the approvals that hold them. Streams write runs; reviews belong to the API."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

from bevyly.events.envelope import Event

Connection = psycopg.Connection[tuple[Any, ...]]

_DISABLED = """
select c.customer_id, c.agent_type from agent_configs c
join unnest(%s::varchar[], %s::varchar[]) as asked (customer_id, agent_type)
  on asked.customer_id = c.customer_id and asked.agent_type = c.agent_type
where not c.enabled
"""
_TAKEN = """
select r.command_id from agent_runs r
join unnest(%s::varchar[], %s::varchar[]) as asked (customer_id, command_id)
  on asked.customer_id = r.customer_id and asked.command_id = r.command_id
"""
_RECORD = """
with asked as (
  select * from jsonb_to_recordset(%(rows)s::jsonb) as given (
    run_id varchar, approval_id varchar, customer_id varchar, agent_type varchar, command_id varchar, status varchar,
    input jsonb, error text, item_type varchar, content jsonb, content_hash varchar, expires_at timestamptz,
    policy_id varchar, requires varchar, reason varchar, cost_minor bigint, currency varchar
  )
), recorded as (
  insert into agent_runs (
    id, customer_id, agent_type, command_id, status, reason, cost_minor, currency, input, error, started_at,
    completed_at
  )
  select run_id, customer_id, agent_type, command_id, status, reason, cost_minor, currency, input, error, %(at)s,
         case when status = 'refused' then %(at)s end
  from asked
  on conflict (customer_id, command_id) do nothing
  returning id
), held as (
  insert into approval_items (
    id, customer_id, agent_run_id, item_type, content, content_hash, expires_at, requested_by, sponsor_id, policy_id,
    requires, status, reviewed_at, created_at
  )
  select a.approval_id, a.customer_id, a.run_id, a.item_type, a.content, a.content_hash, a.expires_at,
         a.input ->> 'requested_by', c.sponsor_id, a.policy_id, a.requires,
         case a.requires when 'nothing' then 'approved' else 'pending' end,
         case a.requires when 'nothing' then %(at)s end, %(at)s
  from asked a
  join recorded on recorded.id = a.run_id
  left join agent_configs c on c.customer_id = a.customer_id and c.agent_type = a.agent_type
  where a.requires is not null and a.status <> 'refused'
  returning customer_id, id, policy_id, status, content_hash
), noted as (
  insert into audit (customer_id, id, actor_type, actor_id, action, entity_type, entity_id, after, occurred_at)
  select customer_id, gen_random_uuid()::text, 'approval_policy', policy_id, 'approval.approved', 'approval', id,
         jsonb_build_object('status', status, 'content_hash', content_hash), %(at)s
  from held where status = 'approved'
)
select count(*) from recorded
"""


def disabled_agents(connection: Connection, asked: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of `asked` (customer, agent type) that the tenant switched off."""
    wanted = sorted(set(asked))
    columns = [[customer for customer, _ in wanted], [agent for _, agent in wanted]]
    return {(customer, agent) for customer, agent in connection.execute(_DISABLED, columns).fetchall()}


def taken(connection: Connection, commands: Sequence[Event]) -> set[str]:
    """Ids of those commands that have their run already."""
    columns = [[event.tenant_id for event in commands], [event.id for event in commands]]
    return {row[0] for row in connection.execute(_TAKEN, columns).fetchall()}


def record_runs(connection: Connection, runs: Sequence[Mapping[str, Any]], *, at: datetime) -> int:
    """One run a command, with an approval where something `requires` one; a repeated command changes nothing.

    The approval keeps who asked and who was the agent's sponsor then: neither of them may give it. One that requires
    nothing is given at once, by its policy, which the audit names.
    """
    if not runs:
        return 0
    rows = json.dumps([dict(run) for run in runs], default=datetime.isoformat)
    found = connection.execute(_RECORD, {"rows": rows, "at": at}).fetchone()
    return int(found[0]) if found else 0
