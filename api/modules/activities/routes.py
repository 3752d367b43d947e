"""Activities over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.activities.listing import ACTIVITIES
from api.modules.activities.schemas import (
    Activity,
    ActivityChange,
    ActivityCreate,
    ActivityPage,
    ActivityQuery,
    Completion,
)
from api.modules.activities.service import ActivityService
from api.query.reading import listed, read_list
from api.records.creation import created
from api.records.reads import one, written
from api.routing import answers, area, problems, read, requires

router = area("/activities", "activities")


@read_list(router, "", ActivityPage, ACTIVITIES)
@requires("activities:read")
async def list_activities(request: Request, query: Annotated[ActivityQuery, Query()]) -> Response:
    """Activities, latest first: the timeline of whatever the filter names."""
    return await listed(request, ACTIVITIES, query)


@read(router, "/{activity_id}", Activity, responses=problems(404))
@requires("activities:read")
async def get_activity(request: Request, activity_id: str) -> Response:
    """One activity."""
    return await one(request, "api_get_activity", activity_id, kind="activity")


@router.post("", status_code=201, responses=answers(Activity, 404, 409, status=201))
@requires("activities:write")
async def create_activity(body: ActivityCreate, context: Write) -> Response:
    """A touch that happened or is planned."""
    service = ActivityService(context)
    row = await service.create(body.model_dump(exclude_unset=True))
    return await created(service, row)


@router.patch("/{activity_id}", responses=answers(Activity, 404, 409, 412))
@requires("activities:write")
async def update_activity(activity_id: str, body: ActivityChange, context: Write, if_match: IfMatch) -> Response:
    """Change fields of an activity; whether it is done is a matter of `complete` and `reopen`."""
    service = ActivityService(context)
    row = await service.update(activity_id, body.model_dump(exclude_unset=True), expected_version=if_match)
    return written(await service.records.rendered(row.id), version=row.version)


@router.post("/{activity_id}/reopen", responses=answers(Activity, 404, 409, 412))
@requires("activities:write")
async def reopen_activity(activity_id: str, context: Write, if_match: IfMatch) -> Response:
    """A task that was done is to be done after all."""
    service = ActivityService(context)
    row = await service.reopen(activity_id, expected_version=if_match)
    return written(await service.records.rendered(row.id), version=row.version)


@router.post("/{activity_id}/complete", responses=answers(Activity, 404, 409, 412))
@requires("activities:write")
async def complete_activity(activity_id: str, body: Completion, context: Write, if_match: IfMatch) -> Response:
    """A planned meeting, call or task is done."""
    service = ActivityService(context)
    row = await service.complete(
        activity_id,
        completed_at=body.completed_at,
        duration_seconds=body.duration_seconds,
        expected_version=if_match,
    )
    return written(await service.records.rendered(row.id), version=row.version)


@router.delete("/{activity_id}", status_code=204, responses=problems(404, 412))
@requires("activities:delete")
async def delete_activity(activity_id: str, context: Write, if_match: IfMatch) -> Response:
    """Hide an activity; it can be restored."""
    await ActivityService(context).delete(activity_id, expected_version=if_match)
    return Response(status_code=204)


@router.post("/{activity_id}/restore", responses=answers(Activity, 404))
@requires("activities:delete")
async def restore_activity(activity_id: str, context: Write) -> Response:
    """Bring a deleted activity back."""
    service = ActivityService(context)
    row = await service.restore(activity_id)
    return written(await service.records.rendered(row.id), version=row.version)
