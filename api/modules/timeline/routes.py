"""Timelines over HTTP. Nothing is written here: a timeline is put together of what other areas keep."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.modules.timeline.schemas import TimelinePage, TimelineQuery
from api.records.reads import page
from api.records.repository import missing
from api.routing import area, problems, read, requires
from bevyly.ids import is_id

router = area("/timeline", "timeline")
ENTITIES = ("account", "contact", "opportunity", "lead")


@read(router, "/{entity_type}/{entity_id}", TimelinePage, responses=problems(404))
@requires("activities:read")
async def get_timeline(
    request: Request, entity_type: str, entity_id: str, query: Annotated[TimelineQuery, Query()]
) -> Response:
    """What happened to an account, contact, opportunity or lead, latest first.

    That of an account has what happened to its contacts and opportunities as well.
    """
    if entity_type not in ENTITIES or not is_id(entity_id):
        raise missing("record")
    return await page(request, "api_timeline", query, of="record", entity_type=entity_type, entity_id=entity_id)
