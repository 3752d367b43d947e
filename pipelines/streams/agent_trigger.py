"""`python -m pipelines.streams.agent_trigger`: commands to agents become runs, each exactly once.

What would reach a person outside waits for an approval, unless the tenant's policies say otherwise, with the hash of
what is to be approved. What a tenant switched off, or what would cost more than its cap, is refused with the reason.
Doing the work is the agents' own affair.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
import typer

from bevyly.agents.content import content_hash
from bevyly.agents.kinds import AGENTS, Agent
from bevyly.clock import Clock, SystemClock
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.process import serve
from pipelines.repositories.agent_budgets import Budget, budgets
from pipelines.repositories.agent_runs import disabled_agents, record_runs, taken
from pipelines.repositories.approval_policies import required
from pipelines.streams.runner import Stream

NAME = "agent-trigger"
TOPICS = ("bevyly.agent-commands",)
APPROVAL_LIVES = timedelta(days=7)
BY_COMMAND = {agent.command: agent for agent in AGENTS}
STATUSES = {None: "queued", "nothing": "queued", "approval": "waiting", "manager": "waiting"}
"""What becomes of a run, by what a person must allow."""


class AgentTrigger:
    """Handler of the stream: commands in, rows of `agent_runs` and `approval_items` out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, connection: psycopg.Connection[tuple[Any, ...]], events: Sequence[Event]) -> None:
        commands = [(event, BY_COMMAND[event.type]) for event in events if event.type in BY_COMMAND]
        if not commands:
            return
        now, agents = self._clock.now(), {(event.tenant_id, agent.type) for event, agent in commands}
        disabled, budget_of = disabled_agents(connection, agents), budgets(connection, agents, at=now)
        # what was taken before, or comes twice, costs nothing again
        known, policies = taken(connection, [event for event, _ in commands]), required(connection, commands)
        runs = []
        for event, agent in commands:
            if event.id in known:
                continue
            known.add(event.id)
            budget = budget_of.get((event.tenant_id, agent.type))
            refusal = _refusal(agent, budget, off=(event.tenant_id, agent.type) in disabled)
            policy_id, requires = policies.get(event.id, (None, "approval" if agent.waits else None))
            run = _run(event, agent, now) | {"policy_id": policy_id, "requires": requires}
            if refusal is not None:
                run |= {"status": "refused", "reason": refusal[0], "error": refusal[1]}
            else:
                run |= {"status": STATUSES[requires]} | _cost(budget)
            runs.append(run)
        record_runs(connection, runs, at=now)


def _refusal(agent: Agent, budget: Budget | None, *, off: bool) -> tuple[str, str] | None:
    """Why a run is refused, as a code and in words; otherwise what it costs is taken from the budget."""
    if off:
        return "agent_switched_off", f"the {agent.type} agent is switched off"
    if budget is not None and not budget.take():
        return "cost_cap_reached", f"one more run of the {agent.type} agent would cost more than its cap of the month"
    return None


def _cost(budget: Budget | None) -> dict[str, Any]:
    return {} if budget is None else {"cost_minor": budget.cost, "currency": budget.currency}


def _run(event: Event, agent: Agent, now: datetime) -> dict[str, Any]:
    """The run of a command, and what a person would see of it."""
    content = {"command": event.type, **event.data}
    return {
        "run_id": new_id(),
        "approval_id": new_id(),
        "customer_id": event.tenant_id,
        "agent_type": agent.type,
        "command_id": event.id,
        "input": event.data,
        "item_type": agent.item,
        "content": content,
        "content_hash": content_hash(content),
        "expires_at": now + APPROVAL_LIVES,
    }


def make_stream(settings: Settings, clock: Clock | None = None) -> Stream:
    """The agent trigger as a stream."""
    clock = clock or SystemClock()
    return Stream(NAME, topics=TOPICS, handler=AgentTrigger(clock), settings=settings, clock=clock)


def main(metrics_port: int | None = None) -> None:
    """Record what agents are asked to do, until told to stop."""
    serve(lambda settings, stop: make_stream(settings).run(stop), metrics_port)


if __name__ == "__main__":
    typer.run(main)
