"""Invitations over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import Process, Write
from api.modules.invitations.acceptance import InvitationAcceptance
from api.modules.invitations.schemas import (
    Acceptance,
    Accepted,
    Invitation,
    InvitationCreate,
    InvitationPage,
    InvitationQuery,
)
from api.modules.invitations.service import InvitationService
from api.problems import request_id_of
from api.records.reads import JSON, page
from api.routing import answers, area, problems, read, requires

router = area("/invitations", "invitations")


@read(router, "", InvitationPage)
@requires("invitations:read")
async def list_invitations(request: Request, query: Annotated[InvitationQuery, Query()]) -> Response:
    """Invitations, newest first."""
    return await page(request, "api_list_invitations", query)


@router.post("", status_code=201, responses=answers(Invitation, 403, 404, 409, status=201))
@requires("invitations:write")
async def invite_user(body: InvitationCreate, context: Write, resources: Process) -> Response:
    """Invite somebody by mail; the link works once and for seven days."""
    service = InvitationService(context, resources.settings)
    row = await service.create(email=body.email, role=body.role, team_id=body.team_id)
    return Response(await service.invitations.rendered(row.id), status_code=201, media_type=JSON)


@router.post("/{invitation_id}/resend", responses=answers(Invitation, 403, 404, 409))
@requires("invitations:write")
async def resend_invitation(invitation_id: str, context: Write, resources: Process) -> Response:
    """Send an invitation again; the link of the mail before ends."""
    service = InvitationService(context, resources.settings)
    row = await service.resend(invitation_id)
    return Response(await service.invitations.rendered(row.id), media_type=JSON)


@router.delete("/{invitation_id}", status_code=204, responses=problems(403, 404, 409))
@requires("invitations:write")
async def revoke_invitation(invitation_id: str, context: Write, resources: Process) -> Response:
    """Take an invitation back."""
    await InvitationService(context, resources.settings).revoke(invitation_id)
    return Response(status_code=204)


@router.post("/accept", status_code=201, responses=answers(Accepted, 404, status=201))
@requires("public")
async def accept_invitation(body: Acceptance, request: Request, resources: Process) -> Accepted:
    """Become a user by an invitation, and log in with the password from then on."""
    acceptance = InvitationAcceptance(resources, request_id_of(request))
    user = await acceptance.accept(body.token, name=body.name, password=body.password.get_secret_value())
    return Accepted(user_id=user.id, customer_id=user.customer_id, email=user.email, role=user.role)
