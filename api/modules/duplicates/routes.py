"""Duplicates over HTTP."""

from typing import Annotated, LiteralString

import orjson
from fastapi import Query, Request, Response

from api.dependencies.work import Write
from api.modules.duplicates.schemas import Dismissal, DuplicatePage, DuplicateQuery
from api.modules.duplicates.service import Duplicates, groups
from api.records.reads import JSON, page
from api.routing import area, problems, read, requires
from api.schemas import PageQuery

router = area("/duplicates", "duplicates")
_LISTS: dict[str, LiteralString] = {
    "account": "api_list_duplicates_account",
    "contact": "api_list_duplicates_contact",
    "lead": "api_list_duplicates_lead",
}


@read(router, "", DuplicatePage)
@requires("duplicates:read")
async def list_duplicates(request: Request, query: Annotated[DuplicateQuery, Query()]) -> Response:
    """Records that may be the same as one before them, newest first."""
    answer = await page(request, _LISTS[query.kind], PageQuery(limit=query.limit, cursor=query.cursor))
    found = orjson.loads(bytes(answer.body))
    return Response(orjson.dumps(found | {"data": groups(query.kind, found["data"])}), media_type=JSON)


@router.post("/dismiss", status_code=204, responses=problems(404))
@requires("duplicates:write")
async def dismiss_duplicates(body: Dismissal, context: Write) -> Response:
    """Remember that records are not the same: they are candidates of each other no more."""
    await Duplicates(context, body.kind).dismiss(body.ids)
    return Response(status_code=204)
