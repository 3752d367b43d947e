"""Figures over HTTP."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
from fastapi import Query, Request, Response

from api.dependencies.principal import Principal
from api.modules.analytics.changes import Changes
from api.modules.analytics.schemas import (
    ActivityQuery,
    ChangedDealPage,
    ChangedDealsQuery,
    ChangeReport,
    ChangesQuery,
    ConversionQuery,
    ConversionReport,
    Forecast,
    ForecastQuery,
    Funnel,
    FunnelQuery,
    HeatMap,
)
from api.modules.analytics.service import Analytics
from api.query.times import Asker
from api.records.reads import JSON
from api.resources import resources_of
from api.routing import area, costs, read, requires
from bevyly.db.read import Reader

router = area("/analytics", "analytics")


@read(router, "/funnel", Funnel)
@costs("bulk")
@requires("analytics:read")
async def get_funnel(request: Request, query: Annotated[FunnelQuery, Query()]) -> Response:
    """How deals go through a pipeline: how many are in each stage, came to it, went on, and how long they stayed."""
    return _answer(await (await _analytics(request)).funnel(query))


@read(router, "/conversion", ConversionReport)
@costs("bulk")
@requires("analytics:read")
async def get_conversion(request: Request, query: Annotated[ConversionQuery, Query()]) -> Response:
    """How many leads were converted, by source, owner, week or month."""
    return _answer(await (await _analytics(request)).conversion(query))


@read(router, "/activity", HeatMap)
@costs("bulk")
@requires("analytics:read")
async def get_activity_heat_map(request: Request, query: Annotated[ActivityQuery, Query()]) -> Response:
    """When things happen: activities by kind, weekday and hour."""
    return _answer(await (await _analytics(request)).activity(query))


@read(router, "/forecast", Forecast)
@costs("bulk")
@requires("analytics:read")
async def get_forecast(request: Request, query: Annotated[ForecastQuery, Query()]) -> Response:
    """What open deals may bring: by the month they should close in, and by the period in which they may be won."""
    return _answer(await (await _analytics(request)).forecast(query))


@read(router, "/changes", ChangeReport)
@costs("bulk")
@requires("analytics:read")
async def get_changes(request: Request, query: Annotated[ChangesQuery, Query()]) -> Response:
    """What changed between two moments: deals opened, won, lost, moved, slipped, and the sum of open deals."""
    return _answer(await (await _changes(request)).report(query))


@read(router, "/changes/deals", ChangedDealPage)
@costs("bulk")
@requires("analytics:read")
async def list_changed_deals(request: Request, query: Annotated[ChangedDealsQuery, Query()]) -> Response:
    """The deals with one kind of change, as they were before and after."""
    return _answer(await (await _changes(request)).deals(query, resources_of(request).cursors))


async def _changes(request: Request) -> Changes:
    return Changes(*await _asked_by(request))


async def _analytics(request: Request) -> Analytics:
    return Analytics(*await _asked_by(request))


async def _asked_by(request: Request) -> tuple[Reader, Principal, Asker]:
    """Where figures are asked for whom: the days of an asker begin where those of the tenant do."""
    resources, principal = resources_of(request), request.scope["state"]["principal"]
    row = await resources.reader.one("api_get_settings", principal.customer_id, principal.customer_id)
    assert row is not None
    zone = ZoneInfo(orjson.loads(row[0])["timezone"])
    return resources.queries, principal, Asker(principal.user_id, resources.clock.now(), zone)


def _answer(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), media_type=JSON)
