"""`python -m pipelines.streams.agent_trigger`: commands to agents become runs, each exactly once.

What would reach a person outside waits for an approval, with the hash of what is to be approved; what a tenant
switched off is refused, with the reason. Doing the work is the agents' own affair.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
import typer

from bevyly.agents.content import content_hash
from bevyly.agents.kinds import AGENTS
from bevyly.clock import Clock, SystemClock
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.process import serve
from pipelines.repositories.agent_runs import disabled_agents, record_runs
from pipelines.streams.runner import Stream

NAME = "agent-trigger"
TOPICS = ("bevyly.agent-commands",)
APPROVAL_LIVES = timedelta(days=7)
BY_COMMAND = {agent.command: agent for agent in AGENTS}


class AgentTrigger:
    """Handler of the stream: commands in, rows of `agent_runs` and `approval_items` out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, connection: psycopg.Connection[tuple[Any, ...]], events: Sequence[Event]) -> None:
        commands = [event for event in events if event.type in BY_COMMAND]
        disabled = disabled_agents(connection, ((event.tenant_id, BY_COMMAND[event.type].type) for event in commands))
        now = self._clock.now()
        record_runs(connection, [self._run(event, disabled, now) for event in commands], at=now)

    def _run(self, event: Event, disabled: set[tuple[str, str]], now: datetime) -> dict[str, Any]:
        agent = BY_COMMAND[event.type]
        refused = (event.tenant_id, agent.type) in disabled
        content = {"command": event.type, **event.data}
        return {
            "run_id": new_id(),
            "approval_id": new_id(),
            "customer_id": event.tenant_id,
            "agent_type": agent.type,
            "command_id": event.id,
            "status": "refused" if refused else "waiting" if agent.approval else "queued",
            "input": event.data,
            "error": f"the {agent.type} agent is switched off" if refused else None,
            "item_type": agent.approval,
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
