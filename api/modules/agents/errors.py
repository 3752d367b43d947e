"""Why an agent is not sent to work."""

from bevyly.errors import Conflict


class AgentOff(Conflict):
    """The tenant has not switched this agent on, or has switched it off."""

    code = "agent_switched_off"


class RunNotQueued(Conflict):
    """The run is under way, has ended, or waits for an approval, which can be rejected; `current` is its status."""

    code = "run_not_queued"


class SponsorNotAllowed(Conflict):
    """The sponsor of the agent may not do what it would do: its rights never exceed theirs."""

    code = "sponsor_not_allowed"
