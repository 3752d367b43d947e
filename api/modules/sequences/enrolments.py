"""Enrolments over HTTP: who is on the way through sequences."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import Write
from api.modules.sequences.listing import ENROLMENTS
from api.modules.sequences.schemas import Enrolment, EnrolmentPage, EnrolmentQuery, Resume
from api.modules.sequences.service import SequenceService
from api.query.reading import listed, read_list
from api.records.reads import one, written
from api.routing import answers, area, problems, read, requires

router = area("/enrolments", "sequences")
_KIND = "sequence_enrolment"


@read_list(router, "", EnrolmentPage, ENROLMENTS)
@requires("sequences:read")
async def list_enrolments(request: Request, query: Annotated[EnrolmentQuery, Query()]) -> Response:
    """Enrolments of the people that the reader sees, newest first."""
    return await listed(request, ENROLMENTS, query)


@read(router, "/{enrolment_id}", Enrolment, responses=problems(404))
@requires("sequences:read")
async def get_enrolment(request: Request, enrolment_id: str) -> Response:
    """One enrolment with the steps that were done."""
    return await one(request, "api_get_sequence_enrolment", enrolment_id, kind=_KIND)


@router.post("/{enrolment_id}/pause", responses=answers(Enrolment, 404, 409))
@requires("sequences:enrol")
async def pause_enrolment(enrolment_id: str, context: Write) -> Response:
    """Do nothing for somebody until it is resumed."""
    service = SequenceService(context)
    row = await service.pause(enrolment_id)
    return written(await service.sequences.rendered(_KIND, row.id), version=row.version)


@router.post("/{enrolment_id}/resume", responses=answers(Enrolment, 403, 404, 409))
@requires("sequences:enrol")
async def resume_enrolment(enrolment_id: str, body: Resume, context: Write) -> Response:
    """Go on with the step that is next, in the name of another sender if one is named."""
    service = SequenceService(context)
    row = await service.resume(enrolment_id, sender_id=body.sender_id)
    return written(await service.sequences.rendered(_KIND, row.id), version=row.version)


@router.post("/{enrolment_id}/stop", responses=answers(Enrolment, 404, 409))
@requires("sequences:enrol")
async def stop_enrolment(enrolment_id: str, context: Write) -> Response:
    """End it for good. A task that is open stays open."""
    service = SequenceService(context)
    version = await service.stop(enrolment_id)
    return written(await service.sequences.rendered(_KIND, enrolment_id), version=version)
