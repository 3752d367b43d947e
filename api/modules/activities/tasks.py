"""Tasks over HTTP: activities of one kind, in the order in which they are due. What changes them is with activities."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.modules.activities.schemas import ActivityPage, TaskQuery
from api.records.reads import page
from api.resources import resources_of
from api.routing import area, read, requires

router = area("/tasks", "activities")


@read(router, "", ActivityPage)
@requires("activities:read")
async def list_tasks(request: Request, query: Annotated[TaskQuery, Query()]) -> Response:
    """Open tasks, what is due first before what is due later, and what has no time last."""
    moment = resources_of(request).clock.now()
    return await page(request, "api_list_tasks", query, moment=moment, ascending=True)
