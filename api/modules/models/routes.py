"""Model versions, what watches them, and what is missing for better ones, over HTTP."""

from typing import Annotated, LiteralString

from fastapi import Query, Request, Response

from api.dependencies.work import Write
from api.modules.models.schemas import (
    ChangeQuery,
    DisplayChangePage,
    Model,
    ModelPage,
    ModelQuery,
    Monitoring,
    Promotion,
    Readiness,
)
from api.modules.models.service import ModelService
from api.records.reads import JSON, one, page
from api.resources import resources_of
from api.routing import answers, area, problems, read, requires

router = area("/intent", "models")


@read(router, "/models", ModelPage)
@requires("models:read")
async def list_models(request: Request, query: Annotated[ModelQuery, Query()]) -> Response:
    """Versions of the tenant and pooled ones, newest first: also those that were refused, with the reason."""
    return await page(request, "api_list_models", query)


@read(router, "/models/{model_id}", Model, responses=problems(404))
@requires("models:read")
async def get_model(request: Request, model_id: str) -> Response:
    """One version with its card, the judgement beside the one in use, and what watches it."""
    return await one(request, "api_get_model", model_id, kind="model")


@router.post("/models/{model_id}/promote", responses=answers(Model, 404))
@requires("models:promote")
async def promote_model(model_id: str, body: Promotion, context: Write) -> Response:
    """Put any version of the tenant in use, whatever its gates said; to roll back, name an earlier one."""
    return Response(await ModelService(context).promote(model_id, body.reason), media_type=JSON)


@read(router, "/monitoring", Monitoring)
@requires("models:read")
async def get_monitoring(request: Request) -> Response:
    """The versions in use: what each may be shown as now, and what its monitors say."""
    return await _rows(request, "api_get_monitoring")


@read(router, "/readiness", Readiness)
@requires("models:read")
async def get_readiness(request: Request) -> Response:
    """What there is for each score, and what is missing for the next stage, in words and numbers."""
    return await _rows(request, "api_get_readiness")


@read(router, "/display-changes", DisplayChangePage)
@requires("models:read")
async def list_display_changes(request: Request, query: Annotated[ChangeQuery, Query()]) -> Response:
    """When a score was shown as more or less than before, by what or whom, and why; newest first."""
    return await page(request, "api_list_display_changes", query)


async def _rows(request: Request, function: LiteralString) -> Response:
    row = await resources_of(request).reader.one(function, request.scope["state"]["principal"].customer_id)
    assert row is not None
    return Response(f'{{"data":{row[0]}}}', media_type=JSON)
