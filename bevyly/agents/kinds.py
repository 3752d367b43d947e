"""The agents that there are: the API commands them, the agent trigger records what they are asked to do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Agent:
    """An agent, the event type that commands it, what it makes for a person to see, and whether it waits for one.

    Whether it waits is what holds where no policy of the tenant says otherwise.
    """

    type: str
    command: str
    item: str
    waits: bool = False

    @property
    def action(self) -> str:
        """What it does, as policies name it."""
        return self.command.removeprefix("agent.")


LEAD_SOURCE = Agent("lead_source", "agent.source_leads", "leads")
ENRICHMENT = Agent("enrichment", "agent.enrich_account", "enrichment")
EMAIL = Agent("email", "agent.draft_email", "email", waits=True)
VOICE = Agent("voice", "agent.make_call", "call", waits=True)
AGENTS = (LEAD_SOURCE, ENRICHMENT, EMAIL, VOICE)
"""All of them, in the order in which they are shown."""
