"""Reading records: pages and single rows as bytes that PostgreSQL rendered."""

from collections.abc import Container
from datetime import datetime
from typing import LiteralString

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies.principal import Principal
from api.problems import problem, request_id_of
from api.query.schemas import ListQuery
from api.records.repository import MERGEABLE, RecordMerged, missing
from api.resources import resources_of
from api.schemas import PageQuery
from bevyly.db.pagination import ASCENDING_START, START, Position
from bevyly.ids import is_id

JSON = "application/json"


async def page(
    request: Request,
    function: LiteralString,
    query: PageQuery,
    *,
    moment: datetime | None = None,
    ascending: bool = False,
    of: str | None = None,
    **fixed: str | None,
) -> Response:
    """One page of the list that `function` answers; the fields of `query` beyond the page are its filters, in order.

    `moment`, where the function asks what time it is, is its last argument and binds no cursor. Raises `NotFound` where
    the list is that of a record, of the kind `of`, which does not exist.
    """
    resources = resources_of(request)
    principal: Principal = request.scope["state"]["principal"]
    filters = filters_of(query) | fixed
    scope = "\n".join([principal.customer_id, function, *(f"{name}={value!r}" for name, value in filters.items())])
    start = resources.cursors.decode(query.cursor, scope=scope, start=ASCENDING_START if ascending else START)
    arguments = [*filters.values(), *([moment] if moment else [])]
    row = await resources.reader.one(function, principal.customer_id, start.at, start.id, query.limit, *arguments)
    assert row is not None
    body, next_at, next_id = row
    if body is None:
        raise missing(of or "list")
    cursor = "null" if next_id is None else f'"{resources.cursors.encode(Position(next_at, next_id), scope=scope)}"'
    document = f'{{"data":[{body}],"page":{{"next_cursor":{cursor},"limit":{query.limit}}}}}'
    return Response(document, media_type=JSON)


def filters_of(query: BaseModel, *, besides: Container[str] = ()) -> dict[str, str | None]:
    """The fields of `query` as texts, in order, but for those of a page and `besides`."""
    names = [name for name in type(query).model_fields if name not in ListQuery.model_fields and name not in besides]
    return {name: _text(getattr(query, name)) for name in names}


async def one(request: Request, function: LiteralString, record_id: str, *moment: datetime, kind: str) -> Response:
    """One record with its `ETag`; raises `NotFound`, also for what is no id at all.

    `moment` is for a function that asks what time it is.
    """
    principal: Principal = request.scope["state"]["principal"]
    reader = resources_of(request).reader
    row = await reader.one(function, principal.customer_id, record_id, *moment) if is_id(record_id) else None
    if row is None or row[0] is None:
        return await _moved(request, record_id, kind=kind)
    return Response(row[0], media_type=JSON, headers={"etag": f'"{row[1]}"'})


async def _moved(request: Request, record_id: str, *, kind: str) -> Response:
    """The way to the record that took this one's place; raises `NotFound`, also for what is no id at all."""
    if kind not in MERGEABLE or not is_id(record_id):
        raise missing(kind)
    principal: Principal = request.scope["state"]["principal"]
    row = await resources_of(request).reader.one("api_get_survivor", principal.customer_id, kind, record_id)
    if row is None or row[0] is None:
        raise missing(kind)
    return problem(
        status=308,
        code=RecordMerged.code,
        title="Merged into another record",
        detail=f"This {kind} was merged into another one.",
        request_id=request_id_of(request),
        headers={"location": f"/api/v1/{kind}s/{row[0]}"},
        merged_into=row[0],
    )


def written(body: bytes, *, version: int, status: int = 200, location: str | None = None) -> Response:
    """The answer to a write: the record as a read would answer it."""
    headers = {"etag": f'"{version}"'} | ({"location": location} if location else {})
    return Response(body, status_code=status, media_type=JSON, headers=headers)


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
