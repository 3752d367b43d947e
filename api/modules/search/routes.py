"""One search across kinds over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.principal import Principal
from api.modules.events.kinds import PLURALS
from api.modules.search.schemas import SearchQuery, SearchResult
from api.records.reads import JSON
from api.resources import resources_of
from api.routing import area, costs, read, requires

router = area("/search", "search")


@read(router, "", SearchResult)
@requires("search:read")
@costs("lists")
async def search_records(request: Request, query: Annotated[SearchQuery, Query()]) -> Response:
    """Records of all kinds that you may read, by words of their names, addresses and numbers; slips are forgiven."""
    principal: Principal = request.scope["state"]["principal"]
    kinds = [kind for kind in query.kinds if f"{PLURALS[kind]}:read" in principal.permissions]
    row = await resources_of(request).reader.one("api_search", principal.customer_id, query.q, kinds, query.limit)
    assert row is not None
    return Response(f'{{"data":[{row[0]}]}}', media_type=JSON)
