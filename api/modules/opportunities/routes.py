"""Opportunities over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.opportunities.listing import OPPORTUNITIES
from api.modules.opportunities.schemas import (
    HistoryPage,
    Opportunity,
    OpportunityChange,
    OpportunityCreate,
    OpportunityPage,
    OpportunityQuery,
)
from api.modules.opportunities.service import OpportunityService
from api.query.reading import listed, read_list
from api.records.creation import created
from api.records.reads import JSON, one, written
from api.records.repository import missing
from api.resources import resources_of
from api.routing import answers, area, problems, read, requires

router = area("/opportunities", "opportunities")


@read_list(router, "", OpportunityPage, OPPORTUNITIES)
@requires("opportunities:read")
async def list_opportunities(request: Request, query: Annotated[OpportunityQuery, Query()]) -> Response:
    """Opportunities, newest first."""
    return await listed(request, OPPORTUNITIES, query)


@read(router, "/{opportunity_id}", Opportunity, responses=problems(404))
@requires("opportunities:read")
async def get_opportunity(request: Request, opportunity_id: str) -> Response:
    """One opportunity."""
    return await one(request, "api_get_opportunity", opportunity_id, kind="opportunity")


@router.post("", status_code=201, responses=answers(Opportunity, 404, 409, status=201))
@requires("opportunities:write")
async def create_opportunity(body: OpportunityCreate, context: Write) -> Response:
    """A new opportunity."""
    service = OpportunityService(context)
    row = await service.create(body.model_dump(exclude_unset=True))
    return await created(service, row)


@router.patch("/{opportunity_id}", responses=answers(Opportunity, 404, 409, 412))
@requires("opportunities:write")
async def update_opportunity(
    opportunity_id: str, body: OpportunityChange, context: Write, if_match: IfMatch
) -> Response:
    """Change fields of an opportunity."""
    service = OpportunityService(context)
    row = await service.update(opportunity_id, body.model_dump(exclude_unset=True), expected_version=if_match)
    return written(await service.records.rendered(row.id), version=row.version)


@router.delete("/{opportunity_id}", status_code=204, responses=problems(404, 412))
@requires("opportunities:delete")
async def delete_opportunity(opportunity_id: str, context: Write, if_match: IfMatch) -> Response:
    """Hide an opportunity; it can be restored."""
    await OpportunityService(context).delete(opportunity_id, expected_version=if_match)
    return Response(status_code=204)


@router.post("/{opportunity_id}/restore", responses=answers(Opportunity, 404))
@requires("opportunities:delete")
async def restore_opportunity(opportunity_id: str, context: Write) -> Response:
    """Bring a deleted opportunity back."""
    service = OpportunityService(context)
    row = await service.restore(opportunity_id)
    return written(await service.records.rendered(row.id), version=row.version)


@read(router, "/{opportunity_id}/history", HistoryPage, responses=problems(404))
@requires("opportunities:read")
async def get_opportunity_history(request: Request, opportunity_id: str) -> Response:
    """Every stage, close date and amount that the opportunity had, oldest first."""
    customer_id = request.scope["state"]["principal"].customer_id
    row = await resources_of(request).reader.one("api_get_stage_history", customer_id, opportunity_id)
    if row is None or row[0] is None:
        raise missing("opportunity")
    return Response(f'{{"data":{row[0]}}}', media_type=JSON)
