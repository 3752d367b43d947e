"""The edge of every write: it opens the unit of work, lets the route work in it, and thereby commits it.

The answer is complete before the transaction ends, so that it can be kept with the effect, and a route that fails
leaves nothing behind.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies.idempotency import Repeatable, repeatable
from api.dependencies.principal import Principal
from api.resources import Resources, resources_of
from bevyly.clock import Clock
from bevyly.db.unit_of_work import UnitOfWork, unit_of_work
from bevyly.errors import Invalid

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Origin:
    """The event of another system that a change comes from. The clock of its context shows when it happened there."""

    source: str
    event_id: str
    recorded_at: datetime
    applied_at: datetime


@dataclass(frozen=True)
class WriteContext:
    """What a service needs to change something: the unit of work, who does it, when, under which request."""

    work: UnitOfWork
    principal: Principal
    clock: Clock
    request_id: str | None
    origin: Origin | None = None


async def in_unit_of_work(resources: Resources, request: Request, principal: Principal, handle: Handler) -> Response:
    """The answer of `handle`, whose changes are committed when this returns."""
    again = await repeatable(request, principal.customer_id, principal.actor_id)

    async def work_in(work: UnitOfWork) -> Response:
        request_id = request.scope["state"].get("request_id")
        request.scope["state"]["write"] = WriteContext(work, principal, resources.clock, request_id)
        return await handle(request)

    return await once(resources, principal.customer_id, again, work_in)


async def once(
    resources: Resources,
    customer_id: str,
    again: Repeatable | None,
    work_in: Callable[[UnitOfWork], Awaitable[Response]],
) -> Response:
    """The answer of `work_in` in a unit of work of the tenant, or the one that was given to this request before."""
    async with unit_of_work(resources.engine, customer_id) as work:
        now = resources.clock.now()
        if again is not None:
            earlier = await again.earlier_answer(work.session, now, resources.settings)
            if earlier is not None:
                return earlier
        response = await work_in(work)
        if again is not None:
            await again.keep(work.session, response, now, resources.settings)
        return response


async def write_context(request: Request) -> WriteContext:
    """The unit of work that the edge opened for this request."""
    context: WriteContext = request.scope["state"]["write"]
    return context


async def resources(request: Request) -> Resources:
    """What this process holds: for routes without a tenant."""
    return resources_of(request)


async def principal(request: Request) -> Principal:
    """Who is asking."""
    who: Principal = request.scope["state"]["principal"]
    return who


async def expected_version(
    if_match: Annotated[str | None, Header(description="`ETag` of the version that the change is meant for")] = None,
) -> int | None:
    """The version in `If-Match`, or None where any will do."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Invalid("If-Match takes one ETag as we sent it.")
    return int(text)


Write = Annotated[WriteContext, Depends(write_context)]
Process = Annotated[Resources, Depends(resources)]
Who = Annotated[Principal, Depends(principal)]
IfMatch = Annotated[int | None, Depends(expected_version)]
