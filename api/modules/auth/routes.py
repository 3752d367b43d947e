"""Sign-up, log-in, tokens over HTTP."""

from fastapi import Request, Response

from api.dependencies.work import Process, Who
from api.modules.auth.schemas import LogIn, LogOut, Me, Refresh, SignUp, Tokens
from api.modules.auth.service import AuthService
from api.problems import request_id_of
from api.records.reads import JSON
from api.resources import resources_of
from api.routing import answers, area, problems, read, requires

router = area("/auth", "auth")


@router.post("/sign-up", status_code=201, responses=answers(Tokens, status=201))
@requires("public")
async def sign_up(body: SignUp, request: Request, resources: Process) -> Tokens:
    """A new tenant with you as its owner."""
    return await AuthService(resources, request_id_of(request)).sign_up(
        company=body.company, name=body.name, email=body.email, password=body.password.get_secret_value()
    )


@router.post("/log-in", responses=answers(Tokens, 401))
@requires("public")
async def log_in(body: LogIn, request: Request, resources: Process) -> Tokens:
    """A new session."""
    return await AuthService(resources, request_id_of(request)).log_in(
        email=body.email, password=body.password.get_secret_value(), customer_id=body.customer_id
    )


@router.post("/refresh", responses=answers(Tokens, 401, 409))
@requires("public")
async def refresh(body: Refresh, request: Request, resources: Process) -> Tokens:
    """A new pair of tokens for a refresh token, which works once."""
    return await AuthService(resources, request_id_of(request)).refresh(body.refresh_token)


@router.post("/log-out", status_code=204, responses=problems(401))
@requires("profile:log_out")
async def log_out(body: LogOut, request: Request, resources: Process, principal: Who) -> Response:
    """End this session, or all of mine."""
    service = AuthService(resources, request_id_of(request))
    await service.log_out(principal, body.refresh_token, everywhere=body.everywhere)
    return Response(status_code=204)


@read(router, "/me", Me)
@requires("profile:read")
async def me(request: Request) -> Response:
    """Who I am and what I may do."""
    principal = request.scope["state"]["principal"]
    row = await resources_of(request).reader.one("api_get_user", principal.customer_id, principal.user_id)
    assert row is not None
    document = Me(
        user_id=principal.user_id,
        customer_id=principal.customer_id,
        customer=row[5],
        email=row[0],
        name=row[1],
        role=row[2],
        permissions=sorted(principal.permissions),
    )
    return Response(document.model_dump_json(), media_type=JSON)
