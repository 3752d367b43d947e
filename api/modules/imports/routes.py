"""Imports over HTTP."""

from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import Query, Request, Response
from starlette.responses import StreamingResponse

from api.dependencies.work import Write
from api.modules.imports.failures import errors_csv
from api.modules.imports.preview import preview
from api.modules.imports.schemas import (
    ImportDetail,
    ImportPage,
    ImportQuery,
    Mapping,
    Preview,
    Start,
    UploadQuery,
)
from api.modules.imports.service import ImportService
from api.records.reads import JSON, one, page, written
from api.records.repository import missing, rendered
from api.resources import resources_of
from api.routing import RowsRoute, answers, area, costs, problems, read, requires
from bevyly.ids import is_id

router = area("/imports", "imports")
_FILE = {
    "required": True,
    "content": {
        "text/csv": {
            "schema": {"type": "string", "format": "binary"},
            "example": "name,domain\nSteel & Sons,steel.example\n",
        }
    },
}


@read(router, "", ImportPage)
@requires("imports:read")
async def list_imports(request: Request, query: Annotated[ImportQuery, Query()]) -> Response:
    """Imports, newest first."""
    return await page(request, "api_list_imports", query)


@read(router, "/{import_id}", ImportDetail, responses=problems(404))
@requires("imports:read")
async def get_import(request: Request, import_id: str) -> Response:
    """One import and how far it is."""
    return await one(request, "api_get_import", import_id, kind="import")


@read(router, "/{import_id}/preview", Preview, responses=problems(404, 409))
@requires("imports:read")
async def preview_import(request: Request, import_id: str) -> Response:
    """The first rows of the file, and a mapping that may be sent as it is."""
    reader, customer_id = resources_of(request).reader, request.scope["state"]["principal"].customer_id
    head = await reader.one("api_get_import_head", customer_id, import_id) if is_id(import_id) else None
    if head is None or head[0] is None:
        raise missing("import")
    own = await reader.one("api_find_custom_fields", customer_id, None, None)
    assert own is not None
    return Response(orjson.dumps(preview(head, own[0])), media_type=JSON)


@router.get(
    "/{import_id}/errors.csv",
    responses=problems(404)
    | {200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The refused rows"}},
    response_class=Response,
)
@requires("imports:read")
async def get_import_errors(request: Request, import_id: str) -> Response:
    """The refused rows with row number, column, message and their cells, as a CSV file."""
    state = request.scope["state"]
    await one(request, "api_get_import", import_id, kind="import")
    lines = errors_csv(resources_of(request).streams, state["principal"].customer_id, import_id)
    headers = {"content-disposition": f'attachment; filename="import-{import_id}-errors.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


async def create_import(request: Request, query: Annotated[UploadQuery, Query()], context: Write) -> Response:
    """Send a CSV file as the body, up to 50 MiB. It is kept in parts until the import is done."""
    row = await ImportService(context).upload(query.kind, query.filename, _parts(request))
    return await _told(context, row.id, row.version, status=201)


router.add_api_route(
    "",
    costs("bulk")(requires("imports:write")(create_import)),
    methods=["POST"],
    status_code=201,
    responses=answers(ImportDetail, 403, 413, status=201),
    openapi_extra={"requestBody": _FILE},
    route_class_override=RowsRoute,
)


@router.put("/{import_id}/mapping", responses=answers(ImportDetail, 403, 404, 409))
@requires("imports:write")
async def map_import(import_id: str, body: Mapping, context: Write) -> Response:
    """Say which column is which field, how rows find their records, and what empty cells become."""
    row = await ImportService(context).map(import_id, body)
    return await _told(context, row.id, row.version)


@router.post("/{import_id}/start", status_code=202, responses=answers(ImportDetail, 403, 404, 409, status=202))
@requires("imports:write")
async def start_import(import_id: str, body: Start, context: Write) -> Response:
    """Run it, or see what a run would do."""
    row = await ImportService(context).start(import_id, dry_run=body.dry_run)
    return await _told(context, row.id, row.version, status=202)


@router.post("/{import_id}/cancel", responses=answers(ImportDetail, 403, 404, 409))
@requires("imports:write")
async def cancel_import(import_id: str, context: Write) -> Response:
    """Stop it. Rows that took effect stay, and can be taken back."""
    row = await ImportService(context).cancel(import_id)
    return await _told(context, row.id, row.version)


@router.post("/{import_id}/revert", status_code=202, responses=answers(ImportDetail, 403, 404, 409, status=202))
@requires("imports:write")
async def revert_import(import_id: str, context: Write) -> Response:
    """Take it back: delete what it created, set back what it changed and nobody changed since."""
    row = await ImportService(context).revert(import_id)
    return await _told(context, row.id, row.version, status=202)


async def _told(context: Write, import_id: str, version: int, *, status: int = 200) -> Response:
    body = await rendered(context.work.session, "import", context.principal.customer_id, import_id)
    return written(body, version=version, status=status, location=f"/api/v1/imports/{import_id}")


async def _parts(request: Request) -> AsyncIterator[bytes]:
    async for part in request.stream():
        if part:
            yield part
