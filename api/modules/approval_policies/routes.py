"""Approval policies over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.approval_policies.schemas import Policy, PolicyCreate, PolicyPage, PolicyQuery
from api.modules.approval_policies.service import Policies
from api.records.reads import one, page, written
from api.routing import answers, area, problems, read, requires

router = area("/approval-policies", "approvals")


@read(router, "", PolicyPage)
@requires("approvals:read")
async def list_approval_policies(request: Request, query: Annotated[PolicyQuery, Query()]) -> Response:
    """What a person must allow before agents do it, newest first; without policies, emails and calls."""
    return await page(request, "api_list_approval_policies", query)


@read(router, "/{policy_id}", Policy, responses=problems(404))
@requires("approvals:read")
async def get_approval_policy(request: Request, policy_id: str) -> Response:
    """One policy, also one that is no longer in force."""
    return await one(request, "api_get_approval_policy", policy_id, kind="approval_policy")


@router.post("", status_code=201, responses=answers(Policy, 409, status=201))
@requires("approval_policies:write")
async def create_approval_policy(body: PolicyCreate, context: Write) -> Response:
    """A new policy. It holds for what agents are asked from now on; what waits already stays as it is."""
    service = Policies(context)
    row = await service.create(body.model_dump())
    location = f"/api/v1/approval-policies/{row.id}"
    return written(await service.policies.rendered(row.id), version=row.version, status=201, location=location)


@router.delete("/{policy_id}", status_code=204, responses=problems(404, 412))
@requires("approval_policies:write")
async def delete_approval_policy(policy_id: str, context: Write, if_match: IfMatch) -> Response:
    """Let a policy hold no longer. It can still be read, since approvals name it."""
    await Policies(context).end(policy_id, expected_version=if_match)
    return Response(status_code=204)
