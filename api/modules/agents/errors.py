"""Why an agent is not sent to work."""

from bevyly.errors import Conflict


class AgentOff(Conflict):
    """The tenant has not switched this agent on, or has switched it off."""

    code = "agent_switched_off"


class SponsorNotAllowed(Conflict):
    """The sponsor of the agent may not do what it would do: its rights never exceed theirs."""

    code = "sponsor_not_allowed"
