"""Approvals over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.approvals.listing import APPROVALS
from api.modules.approvals.schemas import Approval, ApprovalPage, ApprovalQuery, Approve, Edit, Reject
from api.modules.approvals.service import Approvals
from api.query.reading import listed, read_list
from api.records.reads import one, written
from api.resources import resources_of
from api.routing import answers, area, problems, read, requires
from bevyly.db.schema import ApprovalItem

router = area("/approvals", "approvals")


@read_list(router, "", ApprovalPage, APPROVALS)
@requires("approvals:read")
async def list_approvals(request: Request, query: Annotated[ApprovalQuery, Query()]) -> Response:
    """What agents want to do, newest first."""
    return await listed(request, APPROVALS, query, moment=resources_of(request).clock.now())


@read(router, "/{approval_id}", Approval, responses=problems(404))
@requires("approvals:read")
async def get_approval(request: Request, approval_id: str) -> Response:
    """One approval."""
    now = resources_of(request).clock.now()
    return await one(request, "api_get_approval", approval_id, now, kind="approval")


@router.post("/{approval_id}/approve", responses=answers(Approval, 403, 404, 409, 412))
@requires("approvals:decide")
async def approve_item(approval_id: str, body: Approve, context: Write) -> Response:
    """Let exactly the content be done whose hash you name. Nobody approves what they asked for themselves."""
    service = Approvals(context)
    row = await service.approve(approval_id, content_hash=body.content_hash, reason=body.reason)
    return await _answer(service, row)


@router.post("/{approval_id}/reject", responses=answers(Approval, 404, 409))
@requires("approvals:decide")
async def reject_item(approval_id: str, body: Reject, context: Write) -> Response:
    """Do not let it be done, and say why."""
    service = Approvals(context)
    return await _answer(service, await service.reject(approval_id, reason=body.reason))


@router.post("/{approval_id}/edit", responses=answers(Approval, 404, 409, 412))
@requires("approvals:decide")
async def edit_item(approval_id: str, body: Edit, context: Write, if_match: IfMatch) -> Response:
    """Change what is said before it is approved; the content gets another hash."""
    service = Approvals(context)
    return await _answer(service, await service.edit(approval_id, body.content, expected_version=if_match))


async def _answer(service: Approvals, row: ApprovalItem) -> Response:
    return written(await service.rendered(row), version=row.version)
