"""How agents are configured and sent to work. What they then do is not decided here.

An agent works for whoever asks, and for its sponsor: both must be allowed what it would do, and see what it is about.
"""

from typing import Any

from api.dependencies.work import WriteContext
from api.modules.agents.errors import AgentOff, RunNotQueued, SponsorNotAllowed
from api.modules.agents.repository import AgentRepository
from api.permissions import permissions_of
from api.problems import ReferenceNotFound
from api.records.service import require_version
from api.records.trail import Trail, Values
from bevyly.agents.kinds import EMAIL, ENRICHMENT, LEAD_SOURCE, VOICE, Agent
from bevyly.db.schema import AgentConfig
from bevyly.db.scope import EVERY_OWNER
from bevyly.ids import new_id

DOES = {LEAD_SOURCE: "leads:write", ENRICHMENT: "accounts:write", EMAIL: "activities:write", VOICE: "activities:write"}
"""The permission of what each agent does: asking for a run takes the same."""
FIELDS = {
    "enabled": "enabled",
    "sponsor_id": "sponsor_id",
    "cost_cap_minor": "cost_cap_minor",
    "run_cost_minor": "run_cost_minor",
    "currency": "currency",
    "defaults": "config",
}


class Agents:
    """Agents of one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.trail = Trail(context)
        self.customer_id = context.principal.customer_id
        self.agents = AgentRepository(context.work.session, self.customer_id)

    async def configure(self, agent: Agent, values: Values, *, expected_version: int | None) -> AgentConfig:
        """Say how an agent works, as a whole; raises `ReferenceNotFound` or `SponsorNotAllowed`."""
        row = await self.agents.find(agent.type, lock=True)
        require_version(row or AgentConfig(version=0), expected_version)
        await self._sponsor_of(agent, values["sponsor_id"])
        if row is None:
            row = AgentConfig(customer_id=self.customer_id, id=new_id(), agent_type=agent.type, version=0)
            row.created_at = self.trail.now
            self.context.work.session.add(row)
        before = {name: getattr(row, column) for name, column in FIELDS.items()}
        after = {name: value for name, value in values.items() if value != before[name]}
        if not after:
            return row
        for name, value in after.items():
            setattr(row, FIELDS[name], value)
        row.updated_at = self.trail.now
        row.version += 1
        changed = {name: before[name] for name in after}
        self.trail.audit("agent.configured", ("agent", row.id), before=changed, after=after)
        return row

    async def ask(self, agent: Agent, values: Values) -> str:
        """Ask an agent to work; the id of the command. Raises `ReferenceNotFound`, `AgentOff`, `SponsorNotAllowed`."""
        references = {name: id_ for name, id_ in values.items() if name.endswith("_id") and id_ is not None}
        unseen = await self.agents.unseen(references)
        if unseen is not None:
            raise ReferenceNotFound.of(unseen)
        config = await self.agents.find(agent.type)
        if config is None or not config.enabled or config.sponsor_id is None:
            raise AgentOff(f"The {agent.type} agent is switched off.", agent=agent.type)
        owners = await self._sponsor_of(agent, config.sponsor_id)
        if owners != EVERY_OWNER and await self.agents.unseen_by(owners, references) is not None:
            raise SponsorNotAllowed("The sponsor of the agent does not see the record.")
        return self._command(agent, config.config, values)

    async def cancel(self, run_id: str) -> None:
        """Take back a run that nobody works on yet; raises `NotFound` or `RunNotQueued`."""
        if not await self.agents.cancel(run_id, at=self.trail.now):
            status = await self.agents.status(run_id)
            raise RunNotQueued(f"A run that is {status} cannot be cancelled.", current=status)
        before, after = {"status": "queued"}, {"status": "cancelled"}
        self.trail.audit("agent_run.cancelled", ("agent_run", run_id), before=before, after=after)

    def _command(self, agent: Agent, defaults: dict[str, Any], values: Values) -> str:
        """Tell the agent. Each command is a subject of its own, in its only version."""
        data = {name: value for name, value in defaults.items() if value is not None}
        data |= {name: value for name, value in values.items() if value is not None}
        data["requested_by"] = self.context.principal.user_id
        subject = ("agent_command", new_id())
        event = self.trail.emit(agent.command, subject, sequence=1, data=data)
        self.trail.audit(agent.command, subject, after=data, recommendation_id=values.get("recommendation_id"))
        return event.id

    async def _sponsor_of(self, agent: Agent, user_id: str) -> str:
        """Whose records the sponsor sees, who must be there and allowed what the agent does."""
        found = await self.agents.sponsor(user_id)
        if found is None:
            raise ReferenceNotFound.of("sponsor_id")
        if found.disabled or DOES[agent] not in permissions_of(found.role):
            raise SponsorNotAllowed(f"The sponsor needs the permission {DOES[agent]}.", permission=DOES[agent])
        return found.owners
