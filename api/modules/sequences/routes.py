"""Sequences over HTTP."""

from collections import Counter
from typing import Annotated

import orjson
from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Process, Write
from api.modules.sequences.enrolling import Enrolling
from api.modules.sequences.schemas import (
    Enrol,
    Enrolled,
    Sequence,
    SequenceChange,
    SequenceCreate,
    SequencePage,
    SequenceQuery,
    Statistics,
)
from api.modules.sequences.service import SequenceService
from api.records.reads import JSON, one, page, written
from api.routing import RowsRoute, answers, area, costs, problems, read, requires
from bevyly.privacy.marks import Marks

router = area("/sequences", "sequences")


@read(router, "", SequencePage)
@requires("sequences:read")
async def list_sequences(request: Request, query: Annotated[SequenceQuery, Query()]) -> Response:
    """Sequences, newest first."""
    return await page(request, "api_list_sequences", query)


@read(router, "/{sequence_id}", Sequence, responses=problems(404))
@requires("sequences:read")
async def get_sequence(request: Request, sequence_id: str) -> Response:
    """One sequence with its steps."""
    return await one(request, "api_get_sequence", sequence_id, kind="sequence")


@read(router, "/{sequence_id}/statistics", Statistics, responses=problems(404))
@requires("sequences:read")
async def get_sequence_statistics(request: Request, sequence_id: str) -> Response:
    """What came of a sequence and of each step that it has now."""
    return await one(request, "api_get_sequence_statistics", sequence_id, kind="sequence")


@router.post("", status_code=201, responses=answers(Sequence, status=201))
@requires("sequences:write")
async def create_sequence(body: SequenceCreate, context: Write) -> Response:
    """A new sequence, as a draft: nobody is enrolled before it is active."""
    service = SequenceService(context)
    row = await service.create(body.model_dump(exclude_unset=True))
    document = await service.sequences.rendered("sequence", row.id)
    return written(document, version=row.version, status=201, location=f"/api/v1/sequences/{row.id}")


@router.patch("/{sequence_id}", responses=answers(Sequence, 404, 409, 412))
@requires("sequences:write")
async def update_sequence(sequence_id: str, body: SequenceChange, context: Write, if_match: IfMatch) -> Response:
    """Change a sequence, switch it on or pause it.

    Whoever is on the way goes on with the new steps from where they are; what they wait for is due as it was.
    """
    service = SequenceService(context)
    row = await service.update(sequence_id, body.model_dump(exclude_unset=True), expected_version=if_match)
    return written(await service.sequences.rendered("sequence", row.id), version=row.version)


@router.delete("/{sequence_id}", status_code=204, responses=problems(404, 412))
@requires("sequences:delete")
async def delete_sequence(sequence_id: str, context: Write, if_match: IfMatch) -> Response:
    """Hide a sequence and end everybody's way through it; the sequence can be restored."""
    await SequenceService(context).delete(sequence_id, expected_version=if_match)
    return Response(status_code=204)


@router.post("/{sequence_id}/restore", responses=answers(Sequence, 404))
@requires("sequences:delete")
async def restore_sequence(sequence_id: str, context: Write) -> Response:
    """Bring a deleted sequence back; who was ended stays so."""
    service = SequenceService(context)
    row = await service.restore(sequence_id)
    return written(await service.sequences.rendered("sequence", row.id), version=row.version)


async def enrol_people(sequence_id: str, body: Enrol, context: Write, process: Process) -> Response:
    """Let up to 1,000 people go through a sequence, each with a result of its own."""
    people = [person.model_dump(exclude_none=True) for person in body.people]
    wanted = body.model_dump(exclude={"people"})
    results = await Enrolling(context, Marks.of(process.settings)).enrol(sequence_id, people, wanted)
    counts = Counter(result["status"] for result in results)
    return Response(orjson.dumps({"counts": counts, "results": results}), media_type=JSON)


router.add_api_route(
    "/{sequence_id}/enrolments",
    costs("bulk")(requires("sequences:enrol")(enrol_people)),
    methods=["POST"],
    responses=answers(Enrolled, 403, 404, 409),
    route_class_override=RowsRoute,
)
