"""Briefing, signals, patterns and recommendations over HTTP."""

from typing import Annotated

import orjson
from fastapi import Query, Request, Response

from api.dependencies.work import Write
from api.modules.intent.briefings import Briefings, Published
from api.modules.intent.differences import Differences
from api.modules.intent.listing import PATTERNS, RECOMMENDATIONS, SIGNALS
from api.modules.intent.pages import asked_form, page_in
from api.modules.intent.schemas import (
    Answer,
    Briefing,
    BriefingCards,
    BriefingDiff,
    BriefingPageQuery,
    BriefingQuery,
    BriefingSeen,
    DiffQuery,
    PatternPage,
    PatternQuery,
    Recommendation,
    RecommendationPage,
    RecommendationQuery,
    RefreshAccepted,
    RefreshRequest,
    Seen,
    SignalPage,
    SignalQuery,
    Snooze,
)
from api.modules.intent.service import IntentService
from api.query.reading import listed, read_list
from api.records.reads import JSON, one, written
from api.resources import resources_of
from api.routing import answers, area, problems, read, requires
from bevyly.briefing.cards import cards_of
from bevyly.intent.recommendations import ACCEPT, COMPLETE, DISMISS, SNOOZE, Transition

router = area("/intent", "intent")


_KNOWN = {"name": "if-none-match", "in": "header", "required": False, "schema": {"type": "string"}}


_FORMS = {200: {"content": {"text/markdown": {}, "text/html": {}}}, 304: {"description": "You have this version"}}


@read(
    router,
    "/briefing",
    Briefing,
    responses=problems(404) | {304: _FORMS[304]},
    openapi_extra={"parameters": [_KNOWN], "responses": {"200": _FORMS[200]}},
)
@requires("intent:read")
async def get_briefing(request: Request, query: Annotated[BriefingPageQuery, Query()]) -> Response:
    """The briefing of the one who asks: the latest, or as it stood at `as_of`. Answers 304 to a known `ETag`."""
    published = await _published(request, query)
    form = query.format or asked_form(request.headers.get("accept", ""))
    etag = f'"{published.etag}"' if form == "json" else f'"{published.etag}-{form}"'
    headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "accept"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if form == "json":
        return Response(published.body, media_type=JSON, headers=headers)
    return page_in(form, published, app_url=resources_of(request).settings.app_url, headers=headers)


@read(router, "/briefing/cards", BriefingCards, responses=problems(404))
@requires("intent:read")
async def get_briefing_cards(request: Request, query: Annotated[BriefingQuery, Query()]) -> Response:
    """The briefing as the app's cards; the guide to briefings says which there are and what they hold."""
    document = orjson.loads((await _published(request, query)).body)
    kept = {name: document[name] for name in BriefingCards.model_fields if name != "cards"}
    return Response(orjson.dumps(kept | {"cards": cards_of(document)}), media_type=JSON)


async def _published(request: Request, query: BriefingQuery) -> Published:
    principal = request.scope["state"]["principal"]
    briefings: Briefings = request.scope["app"].state.briefings
    if query.as_of is None:
        return await briefings.latest(principal.customer_id, principal.user_id)
    return await briefings.at(principal.customer_id, principal.user_id, query.as_of)


@read(router, "/briefing/diff", BriefingDiff, responses=problems(404))
@requires("intent:read")
async def get_briefing_diff(request: Request, query: Annotated[DiffQuery, Query()]) -> Response:
    """What changed in the briefing of the one who asks between two instants, or since it was seen last, and why."""
    principal, app = request.scope["state"]["principal"], request.scope["app"]
    differences = Differences(resources_of(request).reader, app.state.models)
    since = query.since or await differences.last_seen(principal.customer_id, principal.user_id)
    until = query.until or resources_of(request).clock.now()
    found = await differences.between(principal.customer_id, principal.user_id, since, until)
    return Response(orjson.dumps(found), media_type=JSON)


@router.post("/briefing/seen", responses=answers(BriefingSeen, 404))
@requires("intent:seen")
async def see_briefing(body: Seen, context: Write) -> BriefingSeen:
    """This version is on the screen: what changes from now on is what is new. Repeating it changes nothing."""
    row = await IntentService(context).seen(body.version)
    return BriefingSeen(version=row.version, as_of=row.as_of, seen_at=row.seen_at)


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
