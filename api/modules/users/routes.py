"""Users over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.users.schemas import (
    Disabled,
    Disabling,
    Transfer,
    Transferred,
    User,
    UserChange,
    UserPage,
    UserQuery,
)
from api.modules.users.service import UserService
from api.modules.users.transfer import OwnershipTransfer
from api.records.reads import one, page, written
from api.routing import answers, area, problems, read, requires

router = area("/users", "users")


@read(router, "", UserPage)
@requires("users:read")
async def list_users(request: Request, query: Annotated[UserQuery, Query()]) -> Response:
    """Users, newest first."""
    return await page(request, "api_list_users", query)


@read(router, "/{user_id}", User, responses=problems(404))
@requires("users:read")
async def get_user(request: Request, user_id: str) -> Response:
    """One user."""
    return await one(request, "api_get_colleague", user_id, kind="user")


@router.patch("/{user_id}", responses=answers(User, 403, 404, 409, 412))
@requires("users:write")
async def update_user(user_id: str, body: UserChange, context: Write, if_match: IfMatch) -> Response:
    """Give a user another role; their sessions end within half a minute."""
    service = UserService(context)
    row = await service.change_role(user_id, body.role, expected_version=if_match)
    return written(await service.users.rendered(row.id), version=row.version)


@router.post("/{user_id}/disable", responses=answers(Disabled, 403, 404, 409))
@requires("users:write")
async def disable_user(user_id: str, body: Disabling, context: Write) -> Disabled:
    """Lock a user out within half a minute, and give their records to somebody else on request."""
    row, moved, remaining = await UserService(context).disable(user_id, transfer_to=body.transfer_to)
    assert row.disabled_at is not None
    return Disabled(user_id=row.id, disabled_at=row.disabled_at, moved=moved, remaining=remaining)


@router.post("/{user_id}/enable", responses=answers(User, 403, 404))
@requires("users:write")
async def enable_user(user_id: str, context: Write) -> Response:
    """Let a user in again; they log in anew."""
    service = UserService(context)
    row = await service.enable(user_id)
    return written(await service.users.rendered(row.id), version=row.version)


@router.post("/{user_id}/transfer", responses=answers(Transferred, 403, 404, 409))
@requires("users:write")
async def transfer_records(user_id: str, body: Transfer, context: Write) -> Transferred:
    """Give the records of a user to another one, some thousand a call: repeat it until none remain."""
    moved, remaining = await OwnershipTransfer(context).move(user_id, body.transfer_to)
    return Transferred(moved=moved, remaining=remaining)
