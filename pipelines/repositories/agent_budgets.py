"""Statements on what runs of agents may cost. The rows of caps are held: of two who count, one waits for the other."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]
AgentOf = tuple[str, str]
"""An agent of a tenant: the customer's id and the agent's type."""

_CAPS = """
select c.customer_id, c.agent_type, c.cost_cap_minor, c.run_cost_minor, c.currency from agent_configs c
join unnest(%s::varchar[], %s::varchar[]) as asked (customer_id, agent_type)
  on asked.customer_id = c.customer_id and asked.agent_type = c.agent_type
where c.cost_cap_minor is not null
order by c.customer_id, c.agent_type
for no key update of c
"""
# What nobody allowed costs nothing. Asked once the caps are held: a statement that waits does not see what came before.
_SPENT = """
select r.customer_id, r.agent_type, r.currency, sum(r.cost_minor)::bigint
from unnest(%(customers)s::varchar[], %(agents)s::varchar[]) as asked (customer_id, agent_type)
join customers c on c.id = asked.customer_id
join agent_runs r on r.customer_id = asked.customer_id and r.agent_type = asked.agent_type
  and r.started_at >= date_trunc('month', %(at)s::timestamptz, c.timezone)
left join approval_items i on i.customer_id = r.customer_id and i.agent_run_id = r.id
where r.cost_minor is not null and i.status is distinct from 'rejected' and i.status is distinct from 'expired'
  and not coalesce(i.status = 'pending' and i.expires_at <= %(at)s, false)
group by 1, 2, 3
"""


@dataclass
class Budget:
    """What is left of a cap in this calendar month of the tenant, and what one run takes of it, in minor units."""

    left: int
    cost: int
    currency: str

    def take(self) -> bool:
        """Whether one more run fits; then what it costs is taken."""
        fits = self.cost <= self.left
        self.left -= self.cost if fits else 0
        return fits


def budgets(connection: Connection, agents: Iterable[AgentOf], *, at: datetime) -> dict[AgentOf, Budget]:
    """Budgets of those of `agents` that have a cap, held until the transaction ends."""
    caps = connection.execute(_CAPS, _columns(agents)).fetchall()
    if not caps:
        return {}
    customers, types = _columns((row[0], row[1]) for row in caps)
    rows = connection.execute(_SPENT, {"customers": customers, "agents": types, "at": at}).fetchall()
    spent = {row[:3]: row[3] for row in rows}
    return {
        (customer, agent): Budget(cap - spent.get((customer, agent, currency), 0), cost, currency)
        for customer, agent, cap, cost, currency in caps
    }


def _columns(agents: Iterable[AgentOf]) -> tuple[list[str], list[str]]:
    wanted = sorted(set(agents))
    return [customer for customer, _ in wanted], [agent for _, agent in wanted]
