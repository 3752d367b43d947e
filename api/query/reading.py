"""Answering a list: by its own function where nothing more is asked, else by one composed statement.

One round trip; one more where a query names fields of the tenant's own.
"""

import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies.principal import Principal
from api.query.conditions import Names
from api.query.errors import QueryTooExpensive
from api.query.listing import Listing, described
from api.query.own import OwnFields, keys_in, own_fields
from api.query.request import query_of
from api.query.schemas import ListQuery, selected_page
from api.query.statement import build
from api.query.times import Asker
from api.records.reads import JSON, page
from api.resources import resources_of
from api.routing import Mark, problems, read
from bevyly.db.pagination import Bookmark
from bevyly.db.read import TookTooLong

FUNCTION = "api_query"


def read_list(router: APIRouter, path: str, model: type[BaseModel], listing: Listing) -> Mark:
    """Declare a `ReadRoute` that answers with `listing`, documented with everything that can be asked of it."""

    def add(endpoint: Callable[..., Any]) -> Callable[..., Any]:
        description = described(listing, inspect.getdoc(endpoint) or "")
        shapes = model | selected_page(listing)
        return read(router, path, shapes, description=description, responses=problems(403))(endpoint)

    return add


async def listed(request: Request, listing: Listing, asked: ListQuery, *, moment: datetime | None = None) -> Response:
    """One page of `listing`; raises `InvalidQuery`, `InvalidCursor`, `QueryTooExpensive` or `Forbidden`.

    `moment` is for a list whose function asks what time it is.
    """
    if not asked.asks_more:
        return await page(request, listing.function, asked, moment=moment)
    resources = resources_of(request)
    principal: Principal = request.scope["state"]["principal"]
    scope = _scope(principal, listing, asked)
    names = Names(listing, principal.permissions, await _own(request, principal, asked))
    query = query_of(names, asked, principal)
    mark = resources.cursors.decode_bookmark(asked.cursor, scope=scope) if asked.cursor is not None else None
    now = mark.now if mark else resources.clock.now()
    statement, arguments = build(
        names, query, Asker(principal.user_id, now, ZoneInfo(asked.timezone)), mark.values if mark else None
    )
    try:
        row = await resources.queries.one(FUNCTION, principal.customer_id, statement, arguments)
    except TookTooLong:
        raise QueryTooExpensive(
            "The query took too long: narrow the filter, or leave out count, facets or the sort.", parameter="filter"
        ) from None
    assert row is not None
    body, position, total, facets = row
    next_cursor = None
    if position is not None:
        next_cursor = resources.cursors.encode_bookmark(Bookmark(now, tuple(orjson.loads(position))), scope=scope)
    return Response(_document(asked, body, next_cursor, total, facets), media_type=JSON)


async def _own(request: Request, principal: Principal, asked: ListQuery) -> OwnFields:
    """The tenant's own fields that a query names: asked for only where it names any."""
    keys = keys_in(asked)
    if not keys:
        return {}
    row = await resources_of(request).reader.one("api_find_custom_fields", principal.customer_id, None, keys)
    assert row is not None
    return own_fields(row[0])


def _document(
    asked: ListQuery, body: str | None, next_cursor: str | None, total: int | None, facets: str | None
) -> str:
    cursor = "null" if next_cursor is None else f'"{next_cursor}"'
    counted = "" if total is None else f',"total":{total}'
    by_value = "" if facets is None else f',"facets":{facets}'
    return f'{{"data":[{body or ""}],"page":{{"next_cursor":{cursor},"limit":{asked.limit}{counted}}}{by_value}}}'


def _scope(principal: Principal, listing: Listing, asked: ListQuery) -> str:
    """What a cursor belongs to: everything that decides which rows there are, in which order, for whom."""
    parameters = {name: value for name, value in asked.model_dump().items() if name not in _FREE}
    return "\n".join([principal.customer_id, principal.user_id, FUNCTION, listing.name, repr(parameters)])


_FREE = ("cursor", "limit", "fields", "include", "count", "facets")
"""Parameters that may differ from page to page: they change neither the rows nor their order."""
