"""API keys over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import Write
from api.modules.api_keys.schemas import KeyCreate, KeyPage, KeyQuery, NewKey
from api.modules.api_keys.service import ApiKeyService
from api.permissions import MANAGERS
from api.records.reads import page
from api.routing import answers, area, problems, read, requires

router = area("/api-keys", "api keys")


@read(router, "", KeyPage)
@requires("api_keys:read")
async def list_keys(request: Request, query: Annotated[KeyQuery, Query()]) -> Response:
    """My keys, newest first; those of everybody for owners and admins."""
    principal = request.scope["state"]["principal"]
    own = None if principal.role in MANAGERS else principal.user_id
    return await page(request, "api_list_api_keys", query, user_id=own)


@router.post("", status_code=201, responses=answers(NewKey, 403, status=201))
@requires("api_keys:write")
async def create_key(body: KeyCreate, context: Write, answer: Response) -> NewKey:
    """A new key. Its text is in this answer and nowhere else."""
    answer.headers["cache-control"] = "no-store"
    row, text = ApiKeyService(context).create(name=body.name, scopes=body.scopes, expires_at=body.expires_at)
    return NewKey(id=row.id, name=row.name, prefix=row.prefix, scopes=row.scopes, expires_at=row.expires_at, key=text)


@router.delete("/{key_id}", status_code=204, responses=problems(404))
@requires("api_keys:write")
async def revoke_key(key_id: str, context: Write) -> Response:
    """End a key; it stops working everywhere within half a minute."""
    await ApiKeyService(context).revoke(key_id)
    return Response(status_code=204)
