"""API keys over HTTP."""

from datetime import timedelta
from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import Process, Write
from api.modules.api_keys.schemas import KeyCreate, KeyPage, KeyQuery, KeyRotate, NewKey
from api.modules.api_keys.service import ApiKeyService
from api.permissions import MANAGERS
from api.records.reads import page
from api.routing import answers, area, problems, read, requires

router = area("/api-keys", "api keys")


@read(router, "", KeyPage)
@requires("api_keys:read")
async def list_api_keys(request: Request, query: Annotated[KeyQuery, Query()]) -> Response:
    """My keys, newest first; those of everybody for owners and admins."""
    principal = request.scope["state"]["principal"]
    own = None if principal.role in MANAGERS else principal.user_id
    return await page(request, "api_list_api_keys", query, user_id=own)


@router.post("", status_code=201, responses=answers(NewKey, 403, status=201))
@requires("api_keys:write")
async def create_api_key(body: KeyCreate, context: Write, answer: Response) -> NewKey:
    """A new key. Its text is in this answer and nowhere else."""
    answer.headers["cache-control"] = "no-store"
    return ApiKeyService(context).create(name=body.name, scopes=body.scopes, expires_at=body.expires_at)


@router.post("/{key_id}/rotate", status_code=201, responses=answers(NewKey, 403, 404, 409, status=201))
@requires("api_keys:write")
async def rotate_key(key_id: str, body: KeyRotate, resources: Process, context: Write, answer: Response) -> NewKey:
    """A new key in place of one of mine, with what it may do and I still may. The old one works a while longer."""
    answer.headers["cache-control"] = "no-store"
    given = body.overlap_hours
    hours = resources.settings.api_key_rotation_hours if given is None else given
    return await ApiKeyService(context).rotate(key_id, overlap=timedelta(hours=hours))


@router.delete("/{key_id}", status_code=204, responses=problems(404))
@requires("api_keys:write")
async def revoke_api_key(key_id: str, context: Write) -> Response:
    """End a key; it stops working everywhere within half a minute."""
    await ApiKeyService(context).revoke(key_id)
    return Response(status_code=204)
