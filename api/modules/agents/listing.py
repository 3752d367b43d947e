"""What can be asked of the list of runs."""

from typing import get_args

from api.modules.agents.schemas import AgentType, RunStatus
from api.query.listing import Fields, Listing
from bevyly.db.schema import AgentRun

RUNS = Listing(
    name="runs",
    table=AgentRun,
    permission="agents:read",
    function="api_list_agent_runs",
    default_sort="-started_at",
    fields=Fields(
        AgentRun,
        choices={"agent_type": get_args(AgentType), "status": get_args(RunStatus)},
        sortable=("started_at",),
        facets=("agent_type", "status", "reason"),
    ).of(
        "id", "agent_type", "command_id", "status", "reason", "cost_minor", "currency", "input", "output", "error",
        "started_at", "completed_at",
    ),
)  # fmt: skip
