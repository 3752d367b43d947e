"""Merges over HTTP: two routes for each kind of record that can be merged."""

from typing import Annotated, Any

import orjson
from fastapi import Path, Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.merges.references import REFERENCES
from api.modules.merges.schemas import MergePage, MergeQuery, MergeRequest, MergeResult, UnmergeRequest, UnmergeResult
from api.modules.merges.service import Merged, MergeService
from api.records.reads import page, written
from api.routing import answers, area, read, requires

router = area("", "merges")


@read(router, "/merges", MergePage)
@requires("merges:read")
async def list_merges(request: Request, query: Annotated[MergeQuery, Query()]) -> Response:
    """Merges, newest first."""
    return await page(request, "api_list_merges", query)


def _add(kind: str) -> None:
    plural = f"{kind}s"
    path, permission = f"/{plural}/{{{kind}_id}}", f"{plural}:merge"

    def named(action: str) -> dict[str, Any]:
        return {"operation_id": f"{action}_{plural}", "summary": f"{action.title()} {plural}"}

    @router.post(f"{path}/merge", responses=answers(MergeResult, 404, 409, 412), **named("merge"))
    @requires(permission)
    async def merge(
        record_id: Annotated[str, Path(alias=f"{kind}_id")], body: MergeRequest, context: Write, if_match: IfMatch
    ) -> Response:
        """Merge other records into this one: what refers to them refers to this one from now on."""
        service = MergeService(context, kind)
        done = await service.merge(record_id, body.model_dump(), expected_version=if_match)
        return _done(done, absorbed_ids=done.other_ids)

    @router.post(f"{path}/unmerge", responses=answers(UnmergeResult, 404, 409, 412), **named("unmerge"))
    @requires(permission)
    async def unmerge(
        record_id: Annotated[str, Path(alias=f"{kind}_id")], body: UnmergeRequest, context: Write, if_match: IfMatch
    ) -> Response:
        """Take a merge into this record back."""
        done = await MergeService(context, kind).unmerge(record_id, body.merge_id, expected_version=if_match)
        return _done(done, released_ids=done.other_ids)


def _done(done: Merged, **others: list[str]) -> Response:
    document: dict[str, Any] = {"merge_id": done.merge_id, "kind": done.kind, "survivor_id": done.survivor_id, **others}
    document |= {"changed": done.changed, "moved": done.moved, "version": done.version}
    return written(orjson.dumps(document), version=done.version)


for _kind in REFERENCES:
    _add(_kind)
