"""Sign-up, log-in, tokens, sessions, passwords and addresses over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.address import address_of, site_of
from api.dependencies.idempotency import repeatable, tenant_of_key
from api.dependencies.work import Process, Write, once
from api.modules.auth.account import AccountService
from api.modules.auth.recovery import RecoveryService
from api.modules.auth.schemas import (
    ChangeEmail,
    ChangePassword,
    ForgotPassword,
    LogIn,
    LogOut,
    Me,
    Refresh,
    ResetPassword,
    SessionPage,
    SessionQuery,
    SignUp,
    Tokens,
    UseLink,
)
from api.modules.auth.service import AuthService
from api.modules.auth.sessions import Client
from api.problems import request_id_of
from api.records.reads import JSON, page
from api.resources import Resources, resources_of
from api.routing import answers, area, problems, read, requires
from bevyly.db.unit_of_work import UnitOfWork

router = area("/auth", "auth")
_MAX_AGENT = 255


@router.post("/sign-up", status_code=201, responses=answers(Tokens, 409, status=201))
@requires("public")
async def sign_up(body: SignUp, request: Request, resources: Process) -> Response:
    """A new tenant with you as its owner. A mail with a link to `/verify-email#token=…` confirms the address.

    An `Idempotency-Key` is bound to the email: the same request again gets the same answer, and no second tenant.
    """
    customer_id = tenant_of_key(request, "sign-up", body.email.lower())
    again = await repeatable(request, customer_id, "nobody")
    service = _auth(request, resources)
    owner = await service.prepare(
        company=body.company,
        name=body.name,
        email=body.email,
        password=body.password.get_secret_value(),
        customer_id=customer_id,
    )

    async def work_in(work: UnitOfWork) -> Response:
        tokens = await service.sign_up(work, body.company, owner)
        headers = {"cache-control": "no-store"}
        return Response(tokens.model_dump_json(), status_code=201, media_type=JSON, headers=headers)

    return await once(resources, customer_id, again, work_in)


@router.post("/log-in", responses=answers(Tokens, 401))
@requires("public")
async def log_in(body: LogIn, request: Request, resources: Process) -> Tokens:
    """A new session. After a few failures each attempt waits a little longer: 429 with `Retry-After`."""
    return await _auth(request, resources).log_in(
        email=body.email, password=body.password.get_secret_value(), customer_id=body.customer_id
    )


@router.post("/refresh", responses=answers(Tokens, 401, 409))
@requires("public")
async def refresh_tokens(body: Refresh, request: Request, resources: Process) -> Tokens:
    """A new pair of tokens for a refresh token, which works once."""
    return await _auth(request, resources).refresh(body.refresh_token)


@router.post("/log-out", status_code=204, responses=problems(401))
@requires("profile:log_out")
async def log_out(body: LogOut, request: Request, resources: Process, context: Write) -> Response:
    """End this session, or all of mine."""
    await _account(request, resources, context).log_out(body.refresh_token, everywhere=body.everywhere)
    return Response(status_code=204)


@read(router, "/me", Me)
@requires("profile:read")
async def get_me(request: Request) -> Response:
    """Who I am and what I may do."""
    principal = request.scope["state"]["principal"]
    row = await resources_of(request).reader.one("api_get_user", principal.customer_id, principal.user_id, None)
    assert row is not None
    document = Me(
        user_id=principal.user_id,
        customer_id=principal.customer_id,
        customer=row[5],
        email=row[0],
        email_verified=row[6],
        name=row[1],
        role=row[2],
        permissions=sorted(principal.permissions),
    )
    return Response(document.model_dump_json(), media_type=JSON)


@read(router, "/sessions", SessionPage)
@requires("sessions:read")
async def list_sessions(request: Request, query: Annotated[SessionQuery, Query()]) -> Response:
    """Where I am logged in, newest first."""
    principal = request.scope["state"]["principal"]
    return await page(request, "api_list_sessions", query, user_id=principal.user_id, session_id=principal.session_id)


@router.delete("/sessions/{session_id}", status_code=204, responses=problems(404))
@requires("sessions:write")
async def end_session(session_id: str, request: Request, resources: Process, context: Write) -> Response:
    """End one of my sessions; its access tokens stop working within half a minute."""
    await _account(request, resources, context).end_session(session_id)
    return Response(status_code=204)


@router.post("/forgot-password", status_code=202)
@requires("public")
async def forgot_password(body: ForgotPassword, request: Request, resources: Process) -> Response:
    """Send a link to `/reset-password#token=…`. The answer is the same whether anybody has this email."""
    await _recovery(request, resources).forgot_password(body.email)
    return Response(status_code=202)


@router.post("/reset-password", status_code=204)
@requires("public")
async def reset_password(body: ResetPassword, request: Request, resources: Process) -> Response:
    """Set a new password with the token of a mail. Every session ends."""
    await _recovery(request, resources).reset_password(body.token, body.password.get_secret_value())
    return Response(status_code=204)


@router.post("/verify-email", status_code=204)
@requires("public")
async def verify_email(body: UseLink, request: Request, resources: Process) -> Response:
    """Confirm one's address with the token of a mail."""
    await _recovery(request, resources).verify_email(body.token)
    return Response(status_code=204)


@router.post("/confirm-email", status_code=204, responses=problems(409))
@requires("public")
async def confirm_email(body: UseLink, request: Request, resources: Process) -> Response:
    """Use the new address from now on, with the token of a mail to it. The old address is told."""
    await _recovery(request, resources).confirm_email(body.token)
    return Response(status_code=204)


@router.post("/send-verification", status_code=202)
@requires("credentials:write")
async def send_verification(request: Request, resources: Process, context: Write) -> Response:
    """Send the link that confirms my address again, unless it is confirmed. Earlier links end."""
    await _account(request, resources, context).verify_again()
    return Response(status_code=202)


@router.post("/change-password", responses=answers(Tokens))
@requires("credentials:write")
async def change_password(
    body: ChangePassword, request: Request, resources: Process, context: Write, answer: Response
) -> Tokens:
    """Another password. Every session ends; the answer is a new one."""
    answer.headers["cache-control"] = "no-store"
    service = _account(request, resources, context)
    return await service.change_password(body.old_password.get_secret_value(), body.password.get_secret_value())


@router.post("/change-email", status_code=202, responses=problems(409))
@requires("credentials:write")
async def change_email(body: ChangeEmail, request: Request, resources: Process, context: Write) -> Response:
    """Send a link to `/confirm-email#token=…` to a new address, which counts once it was followed."""
    service = _account(request, resources, context)
    await service.change_email(body.email.lower(), body.password.get_secret_value())
    return Response(status_code=202)


def _auth(request: Request, resources: Resources) -> AuthService:
    return AuthService(resources, request_id_of(request), _client(request))


def _account(request: Request, resources: Resources, context: Write) -> AccountService:
    return AccountService(context, resources, _client(request))


def _recovery(request: Request, resources: Resources) -> RecoveryService:
    return RecoveryService(resources, request_id_of(request), _client(request))


def _client(request: Request) -> Client:
    agent = "".join(one for one in request.headers.get("user-agent", "") if one.isprintable())
    return Client(agent[:_MAX_AGENT] or None, address_of(request), site_of(request))
