"""Shapes of agents: for each type what is filled in where a command leaves it out, and what it is asked to do."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StringConstraints, model_validator

from api.query.schemas import ListPage, ListQuery
from api.schemas import Currency, Custom, Id, Input, Minor, Output, Text50

AgentType = Literal["lead_source", "enrichment", "email", "voice"]
RunStatus = Literal["queued", "running", "waiting", "succeeded", "failed", "refused", "cancelled"]
Instructions = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=500)]
HowMany = Annotated[int, Field(ge=1, le=1000)]


class SourcingDefaults(Input):
    """What leads are looked for unless a command says otherwise."""

    criteria: Custom = Field(default_factory=dict)
    limit: HowMany = 50


class EnrichmentDefaults(Input):
    """Where is looked unless a command says otherwise."""

    provider: Text50 | None = None


class WritingDefaults(Input):
    """How is spoken unless a command says otherwise."""

    instructions: Instructions | None = None


class _Config(Input):
    """What every agent has: a switch, a sponsor, a cap."""

    enabled: StrictBool = Field(description="whether it works at all: the kill switch")
    sponsor_id: Id = Field(description="the user whose rights it never exceeds; must be allowed what it does")
    cost_cap_minor: Minor | None = Field(default=None, description="what its runs may cost in a calendar month")
    run_cost_minor: Minor = Field(
        default=0, description="what one run is taken to cost: a run that would exceed the cap is refused"
    )
    currency: Currency | None = Field(default=None, description="of the cap")

    @model_validator(mode="after")
    def _whole_cap(self) -> Self:
        if (self.cost_cap_minor is None) != (self.currency is None):
            raise ValueError("cost_cap_minor and currency go together")
        if self.run_cost_minor and self.cost_cap_minor is None:
            raise ValueError("run_cost_minor belongs to a cap")
        return self


class SourcingConfig(_Config):
    """How the agent that finds leads is configured."""

    defaults: SourcingDefaults = Field(default_factory=SourcingDefaults)


class EnrichmentConfig(_Config):
    """How the agent that completes accounts is configured."""

    defaults: EnrichmentDefaults = Field(default_factory=EnrichmentDefaults)


class WritingConfig(_Config):
    """How the agent that drafts emails, or the one that calls, is configured."""

    defaults: WritingDefaults = Field(default_factory=WritingDefaults)


AnyConfig = SourcingConfig | EnrichmentConfig | WritingConfig


class Agent(Output):
    """An agent as it is configured; version 0 is one that nobody has configured, and that is off."""

    type: AgentType
    enabled: bool
    sponsor_id: Id | None
    cost_cap_minor: int | None
    run_cost_minor: int
    currency: str | None
    defaults: dict[str, Any]
    version: int
    updated_at: datetime | None


class AgentList(Output):
    """All agents that there are."""

    data: list[Agent]


class SourceLeads(Input):
    """Find leads."""

    criteria: Custom = Field(default_factory=dict, description="instead of the configured ones")
    limit: HowMany = Field(default=50, description="instead of the configured one")


class EnrichAccount(Input):
    """Complete what is known about an account."""

    account_id: Id
    provider: Text50 | None = Field(default=None, description="instead of the configured one")


class Approach(Input):
    """Whom to address, by at least one record, and why."""

    account_id: Id | None = None
    contact_id: Id | None = None
    lead_id: Id | None = None
    opportunity_id: Id | None = None
    recommendation_id: Id | None = Field(default=None, description="the recommendation that this follows")
    purpose: Line | None = None
    instructions: Instructions | None = Field(default=None, description="instead of the configured ones")

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not any((self.account_id, self.contact_id, self.lead_id, self.opportunity_id)):
            raise ValueError("name an account, a contact, a lead or an opportunity")
        return self


AnyCommand = SourceLeads | EnrichAccount | Approach


class RunAccepted(Output):
    """The agent was asked; its run shows under this `command_id` when the command was taken."""

    status: Literal["accepted"] = "accepted"
    command_id: Id


class RunQuery(ListQuery):
    """Which runs."""

    agent_type: AgentType | None = None
    status: RunStatus | None = None
    command_id: Id | None = None


class Run(Output):
    """One run of one agent."""

    id: Id
    agent_type: str
    command_id: Id
    status: RunStatus
    reason: str | None = Field(
        description="`agent_switched_off` or `cost_cap_reached` of one that was refused; of others, none"
    )
    cost_minor: int | None = Field(description="what it counts of the cap of the month; null where there is none")
    currency: str | None
    input: dict[str, Any]
    output: dict[str, Any] | None
    error: str | None
    started_at: datetime
    completed_at: datetime | None


class RunPage(ListPage):
    """A page of runs, newest first."""

    data: list[Run]
