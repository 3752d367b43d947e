"""Scores over HTTP: the current ones of an entity, their history, where one comes from, making it again."""

from typing import Annotated

import orjson
from fastapi import Query, Request, Response

from api.modules.scores.schemas import (
    Counterfactuals,
    HistoryQuery,
    Reproduction,
    ScoreHistoryPage,
    ScoreLineage,
    Scores,
)
from api.modules.scores.service import ScoreService
from api.records.reads import JSON, page
from api.records.repository import missing
from api.resources import resources_of
from api.routing import answers, area, costs, problems, read, requires
from api.schemas import PageQuery
from bevyly.ids import is_id

router = area("/intent/scores", "intent")


# Before those of an entity: the first part of their path may be anything.
@read(router, "/{score_id}/lineage", ScoreLineage, responses=problems(404))
@requires("intent:read")
async def get_score_lineage(request: Request, score_id: str, query: Annotated[PageQuery, Query()]) -> Response:
    """Where a score comes from: the model and its artefact, the features as they were read, what dbt computed them by,
    and a page of the events behind them, latest first, each with its place on Kafka.

    The owner's own record counts decisions on other records: their events are named, too, as `owner_record`.
    """
    document = await _service(request).lineage(score_id)
    events = await page(request, "api_list_score_events", query, of="score", score=score_id)
    return Response(f'{document[:-1]},"events":{bytes(events.body).decode()}}}', media_type=JSON)


@router.post("/{score_id}/reproduce", responses=answers(Reproduction, 404, 409))
@requires("intent:read")
@costs("bulk")
async def reproduce_score(request: Request, score_id: str) -> Response:
    """Make a score again from its stored inputs and a fresh load of its artefact, and hold every bit against what is
    stored. Answers 409 where inputs or artefact are no longer kept. Changes nothing.
    """
    return Response(orjson.dumps(await _service(request).reproduce(score_id)), media_type=JSON)


@read(router, "/{score_id}/counterfactuals", Counterfactuals, responses=problems(404))
@requires("intent:read")
async def get_score_counterfactuals(request: Request, score_id: str) -> Response:
    """What would move a score: up to three changes that a seller can make, each scored anew by the model that made the
    score, and within what the tenant has seen. It is what such records came to, no promise of an effect.
    """
    return Response(orjson.dumps(await _service(request).counterfactuals(score_id)), media_type=JSON)


@read(router, "/{entity_type}/{entity_id}/history", ScoreHistoryPage, responses=problems(404))
@requires("intent:read")
async def list_score_history(
    request: Request, entity_type: str, entity_id: str, query: Annotated[HistoryQuery, Query()]
) -> Response:
    """The scores that an entity had, latest first, each with what moved it since the one before.

    The causes of a change sum to it, in logits and in points.
    """
    if not is_id(entity_id):
        raise missing("score")
    found = await page(
        request, "api_list_score_history", query, of="score", entity_type=entity_type, entity_id=entity_id
    )
    document = orjson.loads(found.body)
    document["data"] = await _service(request).causes(document["data"])
    return Response(orjson.dumps(document), media_type=JSON)


@read(router, "/{entity_type}/{entity_id}", Scores, responses=problems(404))
@requires("intent:read")
async def get_scores(request: Request, entity_type: str, entity_id: str) -> Response:
    """The current scores of one entity, with their reasons."""
    customer_id = request.scope["state"]["principal"].customer_id
    reader = resources_of(request).reader
    row = await reader.one("api_get_scores", customer_id, entity_type, entity_id) if is_id(entity_id) else None
    if row is None or row[0] is None:
        raise missing("score")
    return Response(f'{{"data":{row[0]}}}', media_type=JSON)


def _service(request: Request) -> ScoreService:
    customer_id = request.scope["state"]["principal"].customer_id
    return ScoreService(resources_of(request).reader, request.scope["app"].state.models, customer_id)
