"""Statements on what a person must allow: policies, which the API writes, are held against commands here."""

import json
from collections.abc import Sequence
from typing import Any

import psycopg

from bevyly.agents.kinds import Agent
from bevyly.events.envelope import Event

Connection = psycopg.Connection[tuple[Any, ...]]

# The companies that a command is about decide whether its audience are customers and what is at stake. What is unclear
# (a value that is missing or of another currency) never lets anything through. Strict before lenient, old before new.
_REQUIRED = """
with asked as (
  select g.*, array(
    select g.input ->> 'account_id' where g.input ? 'account_id'
    union select c.account_id from contacts c where c.customer_id = g.customer_id and c.id = g.input ->> 'contact_id'
    union select o.account_id from opportunities o
      where o.customer_id = g.customer_id and o.id = g.input ->> 'opportunity_id'
    union select l.account_id from leads l where l.customer_id = g.customer_id and l.id = g.input ->> 'lead_id'
  ) as accounts
  from jsonb_to_recordset(%(commands)s::jsonb)
    as g (command_id varchar, customer_id varchar, action varchar, input jsonb)
  where exists (select from approval_policies p where p.customer_id = g.customer_id and p.ended_at is null)
), addressed as (
  select a.*, array_remove(array[
    case when a.input ? 'lead_id' then 'lead' end,
    case when a.input ?| array['account_id', 'contact_id', 'opportunity_id'] then
      case when exists (
        select from opportunities o
        where o.customer_id = a.customer_id and o.account_id = any(a.accounts) and o.status = 'won'
          and o.deleted_at is null
      ) then 'customer' else 'prospect' end
    end
  ], null) as audiences
  from asked a
)
select distinct on (a.command_id) a.command_id, p.id, p.requires
from addressed a
join approval_policies p on p.customer_id = a.customer_id and p.ended_at is null
  and (p.action is null or p.action = a.action)
  and (
    p.audience is null
    or case p.requires when 'nothing' then a.audiences = array[p.audience::text] else p.audience = any(a.audiences) end
  )
left join lateral (
  select coalesce(max(worth.value) filter (where worth.currency = p.currency), 0) as greatest,
         coalesce(bool_or(worth.value is null or worth.currency <> p.currency), false) as unclear
  from (
    select o.value, o.currency from opportunities o
    where o.customer_id = a.customer_id and o.account_id = any(a.accounts) and o.status = 'open'
      and o.deleted_at is null
    union all
    select l.value, l.currency from leads l
    where l.customer_id = a.customer_id and l.id = a.input ->> 'lead_id' and l.converted_at is null
  ) worth
) stake on p.amount_minor is not null
where p.amount_minor is null
  or case p.requires
    when 'nothing' then stake.greatest < p.amount_minor and not stake.unclear
    else stake.greatest >= p.amount_minor or stake.unclear
  end
order by a.command_id, array_position(array['manager', 'approval', 'nothing'], p.requires::text), p.created_at, p.id
"""


def required(connection: Connection, commands: Sequence[tuple[Event, Agent]]) -> dict[str, tuple[str, str]]:
    """By command, the policy that decides what a person must allow, and what that is; nothing where none fits."""
    asked = [
        {"command_id": event.id, "customer_id": event.tenant_id, "action": agent.action, "input": event.data}
        for event, agent in commands
    ]
    rows = connection.execute(_REQUIRED, {"commands": json.dumps(asked)}).fetchall()
    return {command_id: (policy_id, requires) for command_id, policy_id, requires in rows}
