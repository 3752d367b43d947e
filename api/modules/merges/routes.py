"""Merges over HTTP."""

from typing import Annotated, Any

import orjson
from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write, WriteContext
from api.modules.merges.schemas import MergePage, MergeQuery, MergeRequest, MergeResult, UnmergeRequest, UnmergeResult
from api.modules.merges.service import Merged, MergeService
from api.records.reads import page, written
from api.routing import answers, area, read, requires

router = area("", "merges")
_MERGED: dict[str, Any] = {"responses": answers(MergeResult, 404, 409, 412)}
_UNMERGED: dict[str, Any] = {"responses": answers(UnmergeResult, 404, 409, 412)}


@read(router, "/merges", MergePage)
@requires("merges:read")
async def list_merges(request: Request, query: Annotated[MergeQuery, Query()]) -> Response:
    """Merges, newest first."""
    return await page(request, "api_list_merges", query)


@router.post("/accounts/{account_id}/merge", **_MERGED)
@requires("accounts:merge")
async def merge_accounts(account_id: str, body: MergeRequest, context: Write, if_match: IfMatch) -> Response:
    """Merge other accounts into this one: what refers to them refers to this one from now on."""
    return await _merge(context, "account", account_id, body, if_match)


@router.post("/accounts/{account_id}/unmerge", **_UNMERGED)
@requires("accounts:merge")
async def unmerge_accounts(account_id: str, body: UnmergeRequest, context: Write, if_match: IfMatch) -> Response:
    """Take a merge into this account back."""
    return await _unmerge(context, "account", account_id, body, if_match)


@router.post("/contacts/{contact_id}/merge", **_MERGED)
@requires("contacts:merge")
async def merge_contacts(contact_id: str, body: MergeRequest, context: Write, if_match: IfMatch) -> Response:
    """Merge other contacts into this one: what refers to them refers to this one from now on."""
    return await _merge(context, "contact", contact_id, body, if_match)


@router.post("/contacts/{contact_id}/unmerge", **_UNMERGED)
@requires("contacts:merge")
async def unmerge_contacts(contact_id: str, body: UnmergeRequest, context: Write, if_match: IfMatch) -> Response:
    """Take a merge into this contact back."""
    return await _unmerge(context, "contact", contact_id, body, if_match)


@router.post("/leads/{lead_id}/merge", **_MERGED)
@requires("leads:merge")
async def merge_leads(lead_id: str, body: MergeRequest, context: Write, if_match: IfMatch) -> Response:
    """Merge other leads into this one: what refers to them refers to this one from now on."""
    return await _merge(context, "lead", lead_id, body, if_match)


@router.post("/leads/{lead_id}/unmerge", **_UNMERGED)
@requires("leads:merge")
async def unmerge_leads(lead_id: str, body: UnmergeRequest, context: Write, if_match: IfMatch) -> Response:
    """Take a merge into this lead back."""
    return await _unmerge(context, "lead", lead_id, body, if_match)


async def _merge(
    context: WriteContext, kind: str, survivor_id: str, body: MergeRequest, expected_version: int | None
) -> Response:
    service = MergeService(context, kind)
    done = await service.merge(survivor_id, body.model_dump(), expected_version=expected_version)
    return _done(done, absorbed_ids=done.other_ids)


async def _unmerge(
    context: WriteContext, kind: str, survivor_id: str, body: UnmergeRequest, expected_version: int | None
) -> Response:
    service = MergeService(context, kind)
    done = await service.unmerge(survivor_id, body.merge_id, expected_version=expected_version)
    return _done(done, released_ids=done.other_ids)


def _done(done: Merged, **others: list[str]) -> Response:
    document: dict[str, Any] = {"merge_id": done.merge_id, "kind": done.kind, "survivor_id": done.survivor_id, **others}
    document |= {"changed": done.changed, "moved": done.moved, "version": done.version}
    return written(orjson.dumps(document), version=done.version)
