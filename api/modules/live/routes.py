"""The live stream over HTTP: server-sent events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, cast

from fastapi import Query, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Send

from api.dependencies.principal import credential_in
from api.modules.live.schemas import LiveEvent, LiveQuery, LiveState
from api.modules.live.service import Live
from api.modules.live.stream import Asked, Position
from api.resources import resources_of
from api.routing import area, read, requires

router = area("/live", "live")


class EventStream(StreamingResponse):
    """Server-sent events; whoever makes them is told at once when the client is gone."""

    media_type = "text/event-stream"

    async def stream_response(self, send: Send) -> None:
        async with aclosing(cast(AsyncGenerator[bytes, None], self.body_iterator)):
            await super().stream_response(send)


_LAST_EVENT_ID = {
    "name": "last-event-id",
    "in": "header",
    "required": False,
    "description": "the id of the last event that was read; without one the stream begins now",
    "schema": {"type": "string", "pattern": r"^\d{1,18}-\d{1,11}$"},
}


@read(router, "", LiveEvent | LiveState, response_class=EventStream, openapi_extra={"parameters": [_LAST_EVENT_ID]})
@requires("live:read")
async def stream_events(request: Request, query: Annotated[LiveQuery, Query()]) -> Response:
    """Briefings, signals, recommendations and imports as they change, as server-sent events.

    Send the id of the last event as `Last-Event-ID` to go on without a gap: within 24 hours nothing is left out and
    nothing is told twice; later the stream begins with the event `reset`, and what is shown should be loaded again. It
    begins with `open` and ends with `closed` where the right to read ends; a client that does not read is cut off, and
    resumes. Five streams of one user may be open. The name of an event is its type; its data are its envelope.
    """
    scope = request.scope
    live: Live = scope["app"].state.live
    last = request.headers.get("last-event-id")
    asked = Asked(query.named(), query.follow, None if last is None else Position.parse(last))
    authenticator, headers = resources_of(request).gate.authenticator, scope["headers"]
    stream = await live.open(
        scope["state"]["principal"], asked, recheck=lambda: authenticator.principal(credential_in(headers))
    )
    return EventStream(stream.events(), headers={"cache-control": "no-store", "x-accel-buffering": "no"})
