"""Agents over HTTP: each type has paths of its own, since each is configured and asked in its own words."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.agents.listing import RUNS
from api.modules.agents.schemas import (
    Agent,
    AgentList,
    AnyCommand,
    AnyConfig,
    Approach,
    EnrichAccount,
    EnrichmentConfig,
    Run,
    RunAccepted,
    RunPage,
    RunQuery,
    SourceLeads,
    SourcingConfig,
    WritingConfig,
)
from api.modules.agents.service import DOES, Agents
from api.query.reading import listed, read_list
from api.records.reads import JSON, written
from api.records.repository import missing
from api.resources import resources_of
from api.routing import answers, area, problems, read, requires
from bevyly.agents import kinds
from bevyly.ids import is_id

router = area("/agents", "agents")
_CONFIGURED = answers(Agent, 404, 409, 412)
_ACCEPTED = answers(RunAccepted, 404, 409, status=202)


@read(router, "", AgentList)
@requires("agents:read")
async def list_agents(request: Request) -> Response:
    """All agents, and how each is configured."""
    row = await _agents(request, None)
    return Response(f'{{"data":[{row[0]}]}}', media_type=JSON)


@read_list(router, "/runs", RunPage, RUNS)
@requires("agents:read")
async def list_agent_runs(request: Request, query: Annotated[RunQuery, Query()]) -> Response:
    """Runs of agents, newest first."""
    return await listed(request, RUNS, query)


@read(router, "/runs/{run_id}", Run, responses=problems(404))
@requires("agents:read")
async def get_agent_run(request: Request, run_id: str) -> Response:
    """One run of an agent."""
    customer_id = request.scope["state"]["principal"].customer_id
    reader = resources_of(request).reader
    row = await reader.one("api_get_agent_run", customer_id, run_id) if is_id(run_id) else None
    if row is None or row[0] is None:
        raise missing("run")
    return Response(row[0], media_type=JSON)


@router.post("/runs/{run_id}/cancel", responses=answers(Run, 404, 409))
@requires("agents:cancel")
async def cancel_agent_run(run_id: str, context: Write) -> Response:
    """Take back a run that is queued. One that waits for an approval ends when that is rejected."""
    service = Agents(context)
    await service.cancel(run_id)
    return Response(await service.agents.run(run_id), media_type=JSON)


@read(router, "/lead_source", Agent)
@requires("agents:read")
async def get_lead_source_agent(request: Request) -> Response:
    """How the agent that finds leads is configured."""
    return await _agent(request, kinds.LEAD_SOURCE)


@read(router, "/enrichment", Agent)
@requires("agents:read")
async def get_enrichment_agent(request: Request) -> Response:
    """How the agent that completes accounts is configured."""
    return await _agent(request, kinds.ENRICHMENT)


@read(router, "/email", Agent)
@requires("agents:read")
async def get_email_agent(request: Request) -> Response:
    """How the agent that drafts emails is configured."""
    return await _agent(request, kinds.EMAIL)


@read(router, "/voice", Agent)
@requires("agents:read")
async def get_voice_agent(request: Request) -> Response:
    """How the agent that calls is configured."""
    return await _agent(request, kinds.VOICE)


@router.put("/lead_source", responses=_CONFIGURED)
@requires("agents:write")
async def configure_lead_source_agent(body: SourcingConfig, context: Write, if_match: IfMatch) -> Response:
    """Configure the agent that finds leads, as a whole."""
    return await _configured(context, kinds.LEAD_SOURCE, body, if_match)


@router.put("/enrichment", responses=_CONFIGURED)
@requires("agents:write")
async def configure_enrichment_agent(body: EnrichmentConfig, context: Write, if_match: IfMatch) -> Response:
    """Configure the agent that completes accounts, as a whole."""
    return await _configured(context, kinds.ENRICHMENT, body, if_match)


@router.put("/email", responses=_CONFIGURED)
@requires("agents:write")
async def configure_email_agent(body: WritingConfig, context: Write, if_match: IfMatch) -> Response:
    """Configure the agent that drafts emails, as a whole."""
    return await _configured(context, kinds.EMAIL, body, if_match)


@router.put("/voice", responses=_CONFIGURED)
@requires("agents:write")
async def configure_voice_agent(body: WritingConfig, context: Write, if_match: IfMatch) -> Response:
    """Configure the agent that calls, as a whole."""
    return await _configured(context, kinds.VOICE, body, if_match)


@router.post("/lead_source/runs", status_code=202, responses=_ACCEPTED)
@requires(DOES[kinds.LEAD_SOURCE])
async def source_leads(body: SourceLeads, context: Write) -> RunAccepted:
    """Let leads be found."""
    return await _asked(context, kinds.LEAD_SOURCE, body)


@router.post("/enrichment/runs", status_code=202, responses=_ACCEPTED)
@requires(DOES[kinds.ENRICHMENT])
async def enrich_account(body: EnrichAccount, context: Write) -> RunAccepted:
    """Let what is known about an account be completed."""
    return await _asked(context, kinds.ENRICHMENT, body)


@router.post("/email/runs", status_code=202, responses=_ACCEPTED)
@requires(DOES[kinds.EMAIL])
async def draft_email(body: Approach, context: Write) -> RunAccepted:
    """Let an email be drafted; it waits for an approval."""
    return await _asked(context, kinds.EMAIL, body)


@router.post("/voice/runs", status_code=202, responses=_ACCEPTED)
@requires(DOES[kinds.VOICE])
async def make_call(body: Approach, context: Write) -> RunAccepted:
    """Let somebody be called; it waits for an approval."""
    return await _asked(context, kinds.VOICE, body)


async def _agents(request: Request, type_: str | None) -> tuple[str, int]:
    customer_id = request.scope["state"]["principal"].customer_id
    row = await resources_of(request).reader.one("api_get_agents", customer_id, type_)
    assert row is not None
    return row[0], row[1]


async def _agent(request: Request, agent: kinds.Agent) -> Response:
    body, version = await _agents(request, agent.type)
    return Response(body, media_type=JSON, headers={"etag": f'"{version}"'})


async def _configured(context: Write, agent: kinds.Agent, body: AnyConfig, if_match: int | None) -> Response:
    service = Agents(context)
    row = await service.configure(agent, body.model_dump(), expected_version=if_match)
    return written(await service.agents.rendered(agent.type), version=row.version)


async def _asked(context: Write, agent: kinds.Agent, body: AnyCommand) -> RunAccepted:
    command_id = await Agents(context).ask(agent, body.model_dump(exclude_unset=True))
    return RunAccepted(command_id=command_id)
