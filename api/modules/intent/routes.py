"""Briefing, signals, patterns and recommendations over HTTP."""

from typing import Annotated

import orjson
from fastapi import Query, Request, Response

from api.dependencies.work import Write
from api.modules.intent.briefings import Published
from api.modules.intent.differences import Differences
from api.modules.intent.listing import PATTERNS, RECOMMENDATIONS, SIGNALS
from api.modules.intent.schemas import (
    Answer,
    Briefing,
    BriefingDiff,
    BriefingQuery,
    DiffQuery,
    PatternPage,
    PatternQuery,
    Recommendation,
    RecommendationPage,
    RecommendationQuery,
    RefreshAccepted,
    RefreshRequest,
    SignalPage,
    SignalQuery,
    Snooze,
)
from api.modules.intent.service import IntentService
from api.query.reading import listed, read_list
from api.records.reads import JSON, one, written
from api.resources import resources_of
from api.routing import answers, area, problems, read, requires
from bevyly.intent.recommendations import ACCEPT, COMPLETE, DISMISS, SNOOZE, Transition

router = area("/intent", "intent")


_KNOWN = {"name": "if-none-match", "in": "header", "required": False, "schema": {"type": "string"}}


@read(
    router,
    "/briefing",
    Briefing,
    responses=problems(404) | {304: {"description": "You have this version"}},
    openapi_extra={"parameters": [_KNOWN]},
)
@requires("intent:read")
async def get_briefing(request: Request, query: Annotated[BriefingQuery, Query()]) -> Response:
    """The briefing of the one who asks: the latest, or as it stood at `as_of`. Answers 304 to a known `ETag`."""
    principal = request.scope["state"]["principal"]
    briefings = request.scope["app"].state.briefings
    if query.as_of is None:
        published: Published = await briefings.latest(principal.customer_id, principal.user_id)
    else:
        published = await briefings.at(principal.customer_id, principal.user_id, query.as_of)
    etag = f'"{published.etag}"'
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(published.body, media_type=JSON, headers=headers)


@read(router, "/briefing/diff", BriefingDiff, responses=problems(404))
@requires("intent:read")
async def get_briefing_diff(request: Request, query: Annotated[DiffQuery, Query()]) -> Response:
    """What changed in the briefing of the one who asks between two instants, each change with its recorded cause."""
    principal, app = request.scope["state"]["principal"], request.scope["app"]
    differences = Differences(resources_of(request).reader, app.state.models)
    until = query.until or resources_of(request).clock.now()
    found = await differences.between(principal.customer_id, principal.user_id, query.since, until)
    return Response(orjson.dumps(found), media_type=JSON)


@router.post("/briefing/refresh", status_code=202, responses=answers(RefreshAccepted, status=202))
@requires("intent:refresh")
async def refresh_briefing(body: RefreshRequest, context: Write) -> RefreshAccepted:
    """Ask for a new briefing; it is published when its data passed the checks."""
    event = IntentService(context).request_briefing(body.reason)
    return RefreshAccepted(event_id=event.id)


@read_list(router, "/signals", SignalPage, SIGNALS)
@requires("intent:read")
async def list_signals(request: Request, query: Annotated[SignalQuery, Query()]) -> Response:
    """Signals, last seen first."""
    return await listed(request, SIGNALS, query)


@read_list(router, "/patterns", PatternPage, PATTERNS)
@requires("intent:read")
async def list_patterns(request: Request, query: Annotated[PatternQuery, Query()]) -> Response:
    """Patterns with their signals, last seen first."""
    return await listed(request, PATTERNS, query)


@read_list(router, "/recommendations", RecommendationPage, RECOMMENDATIONS)
@requires("intent:read")
async def list_recommendations(request: Request, query: Annotated[RecommendationQuery, Query()]) -> Response:
    """Recommendations, newest first."""
    return await listed(request, RECOMMENDATIONS, query)


@read(router, "/recommendations/{recommendation_id}", Recommendation, responses=problems(404))
@requires("intent:read")
async def get_recommendation(request: Request, recommendation_id: str) -> Response:
    """One recommendation."""
    return await one(request, "api_get_recommendation", recommendation_id, kind="recommendation")


@router.post("/recommendations/{recommendation_id}/accept", responses=answers(Recommendation, 404, 409))
@requires("intent:act")
async def accept_recommendation(recommendation_id: str, body: Answer, context: Write) -> Response:
    """I will do it."""
    return await _answered(context, recommendation_id, ACCEPT, body)


@router.post("/recommendations/{recommendation_id}/dismiss", responses=answers(Recommendation, 404, 409))
@requires("intent:act")
async def dismiss_recommendation(recommendation_id: str, body: Answer, context: Write) -> Response:
    """Not worth doing."""
    return await _answered(context, recommendation_id, DISMISS, body)


@router.post("/recommendations/{recommendation_id}/complete", responses=answers(Recommendation, 404, 409))
@requires("intent:act")
async def complete_recommendation(recommendation_id: str, body: Answer, context: Write) -> Response:
    """It is done."""
    return await _answered(context, recommendation_id, COMPLETE, body)


@router.post("/recommendations/{recommendation_id}/snooze", responses=answers(Recommendation, 404, 409))
@requires("intent:act")
async def snooze_recommendation(recommendation_id: str, body: Snooze, context: Write) -> Response:
    """Not now: show it again later."""
    return await _answered(context, recommendation_id, SNOOZE, body)


async def _answered(context: Write, recommendation_id: str, transition: Transition, body: Answer) -> Response:
    service = IntentService(context)
    feedback = body.model_dump(exclude_unset=True, exclude={"until"})
    until = body.until if isinstance(body, Snooze) else None
    row = await service.answer(recommendation_id, transition, feedback, until=until)
    rendered = await service.rendered(row.id)
    return written(rendered, version=row.version)
