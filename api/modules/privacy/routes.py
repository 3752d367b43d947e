"""Rights of people over HTTP."""

from typing import Annotated

import orjson
from fastapi import Query, Request, Response
from starlette.responses import StreamingResponse

from api.dependencies.work import IfMatch, Process, Write, WriteContext
from api.modules.privacy.download import file_of
from api.modules.privacy.errors import NoFile
from api.modules.privacy.schemas import (
    PrivacyRequest,
    PrivacyRequestCreate,
    PrivacyRequestPage,
    PrivacyRequestQuery,
    Purge,
)
from api.modules.privacy.service import PrivacyService
from api.records.reads import one, page, written
from api.records.repository import rendered
from api.resources import Resources, resources_of
from api.routing import answers, area, problems, read, requires
from bevyly.encryption import Vault
from bevyly.privacy.marks import Marks

router = area("/privacy", "privacy")
_ZIP = {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}, "description": "The file"}


@read(router, "/requests", PrivacyRequestPage)
@requires("privacy:read")
async def list_privacy_requests(request: Request, query: Annotated[PrivacyRequestQuery, Query()]) -> Response:
    """Requests of people, newest first."""
    return await page(request, "api_list_privacy_requests", query)


@read(router, "/requests/{request_id}", PrivacyRequest, responses=problems(404))
@requires("privacy:read")
async def get_privacy_request(request: Request, request_id: str) -> Response:
    """One request: how far it is, whom it found, how many rows each table has of them."""
    return await one(request, "api_get_privacy_request", request_id, kind="privacy_request")


@router.get("/requests/{request_id}/file", responses=problems(404, 409) | {200: _ZIP}, response_class=Response)
@requires("privacy:read")
async def get_privacy_file(request: Request, request_id: str) -> Response:
    """The file of an export: a ZIP of JSON lines, one file a table, and a manifest. It is kept for seven days."""
    found = await one(request, "api_get_privacy_request", request_id, kind="privacy_request")
    document = orjson.loads(found.body)
    if document["kind"] != "export" or document["status"] != "done":
        raise NoFile("This request has no file (any more).", request_status=document["status"])
    state = request.scope["state"]
    parts = file_of(resources_of(request), state["principal"], request_id, under=state.get("request_id"))
    headers = {"content-disposition": f'attachment; filename="person-{request_id}.zip"', "cache-control": "no-store"}
    return StreamingResponse(parts, media_type="application/zip", headers=headers)


@router.post("/requests", status_code=202, responses=answers(PrivacyRequest, 404, status=202))
@requires("privacy:write")
async def create_privacy_request(body: PrivacyRequestCreate, context: Write, process: Process) -> Response:
    """Ask for everything there is of a person, or for their erasure. The same again is the request under way."""
    row = await _service(context, process).ask(
        body.kind, email=body.email, contact_id=body.contact_id, lead_id=body.lead_id
    )
    return await _told(context, row.id, row.version)


@router.post(
    "/requests/{request_id}/confirm", status_code=202, responses=answers(PrivacyRequest, 404, 409, 412, status=202)
)
@requires("privacy:write")
async def confirm_erasure(request_id: str, context: Write, process: Process, if_match: IfMatch) -> Response:
    """Erase what the preview counted. This cannot be taken back."""
    row = await _service(context, process).confirm(request_id, expected_version=if_match)
    return await _told(context, row.id, row.version)


@router.post(
    "/requests/{request_id}/cancel", status_code=202, responses=answers(PrivacyRequest, 404, 409, 412, status=202)
)
@requires("privacy:write")
async def cancel_privacy_request(request_id: str, context: Write, process: Process, if_match: IfMatch) -> Response:
    """Give up a request that has not done anything yet."""
    row = await _service(context, process).cancel(request_id, expected_version=if_match)
    return await _told(context, row.id, row.version)


@router.post("/purge", status_code=204, responses=problems(404, 409), response_class=Response)
@requires("privacy:write")
async def purge_record(body: Purge, context: Write, process: Process) -> Response:
    """Remove a deleted record for good, now. It cannot be restored; its person is not erased elsewhere."""
    await _service(context, process).purge(body.kind, body.record_id)
    return Response(status_code=204)


def _service(context: WriteContext, process: Resources) -> PrivacyService:
    settings = process.settings
    return PrivacyService(context, vault=Vault.of(settings), marks=Marks.of(settings))


async def _told(context: WriteContext, request_id: str, version: int) -> Response:
    body = await rendered(context.work.session, "privacy_request", context.principal.customer_id, request_id)
    return written(body, version=version, status=202, location=f"/api/v1/privacy/requests/{request_id}")
