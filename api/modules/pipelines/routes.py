"""Pipelines and their stages over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.pipelines.schemas import (
    Archived,
    Archiving,
    Order,
    Pipeline,
    PipelineChange,
    PipelineCreate,
    PipelinePage,
    PipelineQuery,
    StageChange,
    StageCreate,
)
from api.modules.pipelines.service import PipelineService
from api.records.reads import one, page, written
from api.routing import answers, area, problems, read, requires
from bevyly.db.schema import Pipeline as Row

router = area("/pipelines", "pipelines")


@read(router, "", PipelinePage)
@requires("pipelines:read")
async def list_pipelines(request: Request, query: Annotated[PipelineQuery, Query()]) -> Response:
    """Pipelines with their stages, newest first."""
    return await page(request, "api_list_pipelines", query)


@read(router, "/{pipeline_id}", Pipeline, responses=problems(404))
@requires("pipelines:read")
async def get_pipeline(request: Request, pipeline_id: str) -> Response:
    """One pipeline."""
    return await one(request, "api_get_pipeline", pipeline_id, kind="pipeline")


@router.post("", status_code=201, responses=answers(Pipeline, 409, status=201))
@requires("pipelines:write")
async def create_pipeline(body: PipelineCreate, context: Write) -> Response:
    """A new pipeline."""
    service = PipelineService(context)
    row = await service.create(body.model_dump())
    return await _answer(service, row, status=201, location=f"/api/v1/pipelines/{row.id}")


@router.patch("/{pipeline_id}", responses=answers(Pipeline, 404, 409, 412))
@requires("pipelines:write")
async def update_pipeline(pipeline_id: str, body: PipelineChange, context: Write, if_match: IfMatch) -> Response:
    """Rename a pipeline, or make it the default."""
    service = PipelineService(context)
    changes = body.model_dump(exclude_unset=True)
    return await _answer(service, await service.update(pipeline_id, changes, expected_version=if_match))


@router.delete("/{pipeline_id}", status_code=204, responses=problems(404, 409, 412))
@requires("pipelines:write")
async def archive_pipeline(pipeline_id: str, context: Write, if_match: IfMatch) -> Response:
    """End a pipeline without open deals; closed ones keep their stage."""
    await PipelineService(context).archive(pipeline_id, expected_version=if_match)
    return Response(status_code=204)


@router.post("/{pipeline_id}/stages", status_code=201, responses=answers(Pipeline, 404, 409, status=201))
@requires("pipelines:write")
async def add_stage(pipeline_id: str, body: StageCreate, context: Write) -> Response:
    """A new stage."""
    service = PipelineService(context)
    return await _answer(service, await service.add_stage(pipeline_id, body.model_dump()), status=201)


@router.patch("/{pipeline_id}/stages/{stage_id}", responses=answers(Pipeline, 404))
@requires("pipelines:write")
async def change_stage(pipeline_id: str, stage_id: str, body: StageChange, context: Write) -> Response:
    """Another name or chance of a stage."""
    service = PipelineService(context)
    changes = body.model_dump(exclude_unset=True)
    return await _answer(service, await service.change_stage(pipeline_id, stage_id, changes))


@router.post("/{pipeline_id}/reorder", responses=answers(Pipeline, 404, 409))
@requires("pipelines:write")
async def reorder_stages(pipeline_id: str, body: Order, context: Write) -> Response:
    """Another order of the stages."""
    service = PipelineService(context)
    return await _answer(service, await service.reorder(pipeline_id, body.stage_ids))


@router.post("/{pipeline_id}/stages/{stage_id}/archive", responses=answers(Archived, 404, 409))
@requires("pipelines:write")
async def archive_stage(pipeline_id: str, stage_id: str, body: Archiving, context: Write) -> Archived:
    """End a stage: its open deals go elsewhere, some thousand a call; repeat it until it is archived."""
    moved, remaining = await PipelineService(context).archive_stage(pipeline_id, stage_id, move_to=body.move_to)
    return Archived(moved=moved, remaining=remaining, archived=remaining == 0)


async def _answer(service: PipelineService, row: Row, *, status: int = 200, location: str | None = None) -> Response:
    body = await service.pipelines.rendered(row.id)
    return written(body, version=row.version, status=status, location=location)
