"""The agents that there are: the API commands them, the agent trigger records what they are asked to do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Agent:
    """An agent, the event type that commands it, and what a person must allow before it acts, if anything."""

    type: str
    command: str
    approval: str | None = None


LEAD_SOURCE = Agent("lead_source", "agent.source_leads")
ENRICHMENT = Agent("enrichment", "agent.enrich_account")
EMAIL = Agent("email", "agent.draft_email", approval="email")
VOICE = Agent("voice", "agent.make_call", approval="call")
AGENTS = (LEAD_SOURCE, ENRICHMENT, EMAIL, VOICE)
"""All of them, in the order in which they are shown."""
