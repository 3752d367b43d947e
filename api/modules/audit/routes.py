"""The audit over HTTP: who changed what, and when."""

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from api.modules.audit.export import as_csv, as_ndjson, pages
from api.modules.audit.schemas import AuditPage, AuditQuery, ExportQuery
from api.records.reads import filters_of, page
from api.resources import resources_of
from api.routing import area, read, requires

router = area("/audit", "audit")
_FORMS = {200: {"description": "The entries as a stream", "content": {"application/x-ndjson": {}, "text/csv": {}}}}


@read(router, "", AuditPage)
@requires("audit:read")
async def list_audit(request: Request, query: Annotated[AuditQuery, Query()]) -> Response:
    """The audit, newest first."""
    return await page(request, "api_list_audit", query)


@read(router, "/export", None, responses=_FORMS)
@requires("audit:read")
async def export_audit(request: Request, query: Annotated[ExportQuery, Query()]) -> Response:
    """The audit as NDJSON or CSV, newest first, at most 50,000 entries: go on with `until` of the last one."""
    filters = filters_of(query, besides=("format",))
    principal = request.scope["state"]["principal"]
    found = pages(resources_of(request).reader, principal.customer_id, list(filters.values()))
    kind, body = ("text/csv", as_csv(found)) if query.format == "csv" else ("application/x-ndjson", as_ndjson(found))
    headers = {"content-disposition": f'attachment; filename="audit.{query.format}"', "cache-control": "no-store"}
    return StreamingResponse(body, media_type=kind, headers=headers)
