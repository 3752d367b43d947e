"""The decision log over HTTP: all of it, and the chain of one recommendation."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.modules.decisions.listing import DECISIONS
from api.modules.decisions.schemas import DecisionPage, DecisionQuery, StepPage, StepQuery
from api.query.reading import listed, read_list
from api.records.reads import page
from api.routing import area, problems, read, requires

router = area("/decisions", "decisions")
of_recommendations = area("/intent", "decisions")


@read_list(router, "", DecisionPage, DECISIONS)
@requires("decisions:read")
async def list_decisions(request: Request, query: Annotated[DecisionQuery, Query()]) -> Response:
    """What was recommended, decided, allowed and done, and what came of it; the newest first."""
    return await listed(request, DECISIONS, query)


@read(of_recommendations, "/recommendations/{recommendation_id}/decisions", StepPage, responses=problems(404))
@requires("intent:read")
async def list_recommendation_decisions(
    request: Request, recommendation_id: str, query: Annotated[StepQuery, Query()]
) -> Response:
    """The chain of one recommendation, oldest first: the score that it came from, answers, approvals, runs, outcome."""
    return await page(
        request,
        "api_list_recommendation_decisions",
        query,
        ascending=True,
        of="recommendation",
        recommendation=recommendation_id,
    )
