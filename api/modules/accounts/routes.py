"""Accounts over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.accounts.listing import ACCOUNTS
from api.modules.accounts.schemas import Account, AccountChange, AccountCreate, AccountPage, AccountQuery
from api.modules.accounts.service import AccountService
from api.modules.duplicates.schemas import AllowDuplicates
from api.modules.duplicates.service import Duplicates
from api.query.reading import listed, read_list
from api.records.creation import created
from api.records.reads import one, written
from api.routing import answers, area, problems, read, requires

router = area("/accounts", "accounts")


@read_list(router, "", AccountPage, ACCOUNTS)
@requires("accounts:read")
async def list_accounts(request: Request, query: Annotated[AccountQuery, Query()]) -> Response:
    """Accounts, newest first."""
    return await listed(request, ACCOUNTS, query)


@read(router, "/{account_id}", Account, responses=problems(308, 404))
@requires("accounts:read")
async def get_account(request: Request, account_id: str) -> Response:
    """One account."""
    return await one(request, "api_get_account", account_id, kind="account")


@router.post("", status_code=201, responses=answers(Account, 404, 409, status=201))
@requires("accounts:write")
async def create_account(body: AccountCreate, context: Write, allow_duplicates: AllowDuplicates = False) -> Response:
    """A new account."""
    service = AccountService(context)
    row = await service.create(body.model_dump(exclude_unset=True))
    return await created(service, row, Duplicates(context, "account", allowed=allow_duplicates))


@router.patch("/{account_id}", responses=answers(Account, 404, 409, 412))
@requires("accounts:write")
async def update_account(
    account_id: str, body: AccountChange, context: Write, if_match: IfMatch, allow_duplicates: AllowDuplicates = False
) -> Response:
    """Change fields of an account."""
    service = AccountService(context)
    row = await service.update(account_id, body.model_dump(exclude_unset=True), expected_version=if_match)
    await Duplicates(context, "account", allowed=allow_duplicates).refuse(row.id, service.written)
    return written(await service.records.rendered(row.id), version=row.version)


@router.delete("/{account_id}", status_code=204, responses=problems(404, 409, 412))
@requires("accounts:delete")
async def delete_account(account_id: str, context: Write, if_match: IfMatch) -> Response:
    """Hide an account; it can be restored."""
    await AccountService(context).delete(account_id, expected_version=if_match)
    return Response(status_code=204)


@router.post("/{account_id}/restore", responses=answers(Account, 404, 409))
@requires("accounts:delete")
async def restore_account(account_id: str, context: Write) -> Response:
    """Bring a deleted account back."""
    service = AccountService(context)
    row = await service.restore(account_id)
    return written(await service.records.rendered(row.id), version=row.version)
