"""Leads over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.duplicates.schemas import AllowDuplicates
from api.modules.duplicates.service import Duplicates
from api.modules.leads.conversion import LeadConversion
from api.modules.leads.listing import LEADS
from api.modules.leads.schemas import Conversion, ConversionResult, Lead, LeadChange, LeadCreate, LeadPage, LeadQuery
from api.modules.leads.service import LeadService
from api.query.reading import listed, read_list
from api.records.creation import created
from api.records.reads import one, written
from api.routing import answers, area, problems, read, requires

router = area("/leads", "leads")


@read_list(router, "", LeadPage, LEADS)
@requires("leads:read")
async def list_leads(request: Request, query: Annotated[LeadQuery, Query()]) -> Response:
    """Leads, newest first."""
    return await listed(request, LEADS, query)


@read(router, "/{lead_id}", Lead, responses=problems(308, 404))
@requires("leads:read")
async def get_lead(request: Request, lead_id: str) -> Response:
    """One lead."""
    return await one(request, "api_get_lead", lead_id, kind="lead")


@router.post("", status_code=201, responses=answers(Lead, 404, 409, status=201))
@requires("leads:write")
async def create_lead(body: LeadCreate, context: Write, allow_duplicates: AllowDuplicates = False) -> Response:
    """A new lead."""
    service = LeadService(context)
    row = await service.create(body.model_dump(exclude_unset=True))
    return await created(service, row, Duplicates(context, "lead", allowed=allow_duplicates))


@router.patch("/{lead_id}", responses=answers(Lead, 404, 409, 412))
@requires("leads:write")
async def update_lead(
    lead_id: str, body: LeadChange, context: Write, if_match: IfMatch, allow_duplicates: AllowDuplicates = False
) -> Response:
    """Change fields of a lead."""
    service = LeadService(context)
    row = await service.update(lead_id, body.model_dump(exclude_unset=True), expected_version=if_match)
    await Duplicates(context, "lead", allowed=allow_duplicates).refuse(row.id, service.written)
    return written(await service.records.rendered(row.id), version=row.version)


@router.delete("/{lead_id}", status_code=204, responses=problems(404, 409, 412))
@requires("leads:delete")
async def delete_lead(lead_id: str, context: Write, if_match: IfMatch) -> Response:
    """Hide a lead; it can be restored."""
    await LeadService(context).delete(lead_id, expected_version=if_match)
    return Response(status_code=204)


@router.post("/{lead_id}/restore", responses=answers(Lead, 404, 409))
@requires("leads:delete")
async def restore_lead(lead_id: str, context: Write) -> Response:
    """Bring a deleted lead back."""
    service = LeadService(context)
    row = await service.restore(lead_id)
    return written(await service.records.rendered(row.id), version=row.version)


@router.post("/{lead_id}/convert", responses=answers(ConversionResult, 404, 409))
@requires("leads:convert")
async def convert_lead(lead_id: str, body: Conversion, context: Write) -> ConversionResult:
    """Turn a lead into an account, a contact and, on request, an opportunity. Exactly one caller succeeds."""
    return ConversionResult(**await LeadConversion(context).convert(lead_id, body.model_dump(exclude_unset=True)))
