"""Exports over HTTP: one route for each kind and form."""

from typing import Annotated, Any

from fastapi import Query, Request, Response
from starlette.responses import StreamingResponse

from api.modules.exports.schemas import CsvQuery, ExportQuery
from api.modules.exports.service import ExportService
from api.modules.exports.tables import EXPORTS
from api.resources import resources_of
from api.routing import area, costs, requires

router = area("/exports", "exports")
CSV, PARQUET = "text/csv; charset=utf-8", "application/vnd.apache.parquet"


def _service(request: Request) -> ExportService:
    state = request.scope["state"]
    return ExportService(resources_of(request), state["principal"], state.get("request_id"))


def _file(lines: Any, name: str, media_type: str) -> Response:
    return StreamingResponse(
        lines, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'}
    )


def _documented(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "The file", "content": {media_type: {"schema": {"type": "string"}}}}}


def _add(name: str) -> None:
    @router.get(
        f"/{name}.csv", responses=_documented("text/csv"), response_class=Response, operation_id=f"export_{name}_csv"
    )
    @requires("exports:read")
    @costs("bulk")
    async def as_csv(request: Request, query: Annotated[CsvQuery, Query()]) -> Response:
        """All records of a kind as CSV with labelled columns, for spreadsheets: no cell is taken for a formula."""
        narrowed = ExportQuery(**query.model_dump(exclude={"bom"}))
        return _file(_service(request).csv(name, narrowed, bom=query.bom), f"{name}.csv", CSV)

    @router.get(
        f"/{name}.parquet",
        responses=_documented(PARQUET),
        response_class=Response,
        operation_id=f"export_{name}_parquet",
    )
    @requires("exports:read")
    @costs("bulk")
    async def as_parquet(request: Request, query: Annotated[ExportQuery, Query()]) -> Response:
        """All records of a kind as Parquet, for programs: texts are as they are stored."""
        return _file(_service(request).parquet(name, query), f"{name}.parquet", PARQUET)


for _name in EXPORTS:
    _add(_name)
