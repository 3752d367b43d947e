"""Calendars over HTTP. What stands in them is planned and changed with the activities."""

from typing import Annotated

import orjson
from fastapi import Query, Request, Response

from api.dependencies.principal import Principal
from api.modules.calendar.schemas import Availability, AvailabilityQuery, Calendar, CalendarQuery
from api.modules.calendar.service import CalendarService
from api.records.reads import JSON
from api.resources import resources_of
from api.routing import area, read, requires

router = area("/calendar", "calendar")


@read(router, "", Calendar)
@requires("activities:read")
async def get_calendar(request: Request, query: Annotated[CalendarQuery, Query()]) -> Response:
    """Meetings, calls that are planned and tasks that are due in a window, by person, with how busy each is."""
    found = await _service(request).calendar(query.start, query.end, query.owner_id)
    return Response(orjson.dumps(found), media_type=JSON)


@read(router, "/availability", Availability)
@requires("activities:read")
async def get_availability(request: Request, query: Annotated[AvailabilityQuery, Query()]) -> Response:
    """When somebody is free within their working hours: those of their preferences, or of the tenant's."""
    principal: Principal = request.scope["state"]["principal"]
    owner = query.owner_id or principal.user_id
    found = await _service(request).availability(query.start, query.end, owner, at_least=query.minutes)
    return Response(orjson.dumps(found), media_type=JSON)


def _service(request: Request) -> CalendarService:
    resources, principal = resources_of(request), request.scope["state"]["principal"]
    return CalendarService(resources.reader, principal.customer_id, resources.clock.now())
