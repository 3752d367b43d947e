"""Events of other systems over HTTP."""

from collections import Counter

import orjson
from fastapi import APIRouter, Request, Response

from api.dependencies.work import Write
from api.modules.events.errors import TooManyEvents
from api.modules.events.reading import read, rows_of
from api.modules.events.schemas import MAX_EVENTS, STATUSES, BatchResult, EventResult, request_body
from api.modules.events.service import EventIngest
from api.records.reads import JSON
from api.routing import RowsRoute, answers, costs, requires

router = APIRouter(prefix="/api/v1/events", tags=["events"], route_class=RowsRoute)
_RESPONSES = answers(EventResult, status=201) | answers(BatchResult | EventResult, 403, 404, 409, 413, 415)


@router.post("", status_code=200, responses=_RESPONSES, openapi_extra={"requestBody": request_body()})
@requires("events:write")
@costs("bulk")
async def send_events(request: Request, context: Write) -> Response:
    """Take in changes of another system as CloudEvents, up to 1,000 in a call, each of them once.

    An array is answered with a result for each row: a refused row leaves the others alone. A single event is answered
    with its result (201 where it created a record) or with its problem. Sending an event again changes nothing.
    """
    body = await request.body()
    rows, single = rows_of(body, request.headers.get("content-type", ""))
    if len(rows) > MAX_EVENTS:
        raise TooManyEvents(f"A call takes at most {MAX_EVENTS:,} events; these are {len(rows):,}.", limit=MAX_EVENTS)
    now, may_have_nul = context.clock.now(), b"\\u0000" in body
    read_rows = [
        read(index, raw, customer_id=context.principal.customer_id, now=now, may_have_nul=may_have_nul)
        for index, raw in enumerate(rows)
    ]
    results = await EventIngest(context).ingest(read_rows)
    if not single:
        counts = Counter(result.status for result in results)
        told = {"counts": {name: counts[name] for name in STATUSES if name in counts}}
        return Response(orjson.dumps(told | {"results": [result.document() for result in results]}), media_type=JSON)
    if results[0].error is not None:
        raise results[0].error
    status = 201 if results[0].status == "created" else 200
    return Response(orjson.dumps(results[0].document()), status_code=status, media_type=JSON)
