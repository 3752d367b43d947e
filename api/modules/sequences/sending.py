"""Over HTTP: how much may be sent in whose name, and to which addresses nothing at all."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Process, Write
from api.modules.sequences.schemas import (
    Mailbox,
    MailboxChange,
    Suppression,
    SuppressionCreate,
    SuppressionPage,
    SuppressionQuery,
)
from api.modules.sequences.service import SequenceService
from api.records.reads import JSON, one, page, written
from api.routing import answers, area, problems, read, requires
from bevyly.privacy.marks import Marks

mailboxes = area("/mailboxes", "sequences")
suppressions = area("/suppressions", "sequences")


@read(mailboxes, "/{user_id}", Mailbox, responses=problems(404))
@requires("sequences:read")
async def get_mailbox(request: Request, user_id: str) -> Response:
    """How much a user's sequences may send, and how much they sent today."""
    return await one(request, "api_get_mailbox", user_id, kind="user")


@mailboxes.patch("/{user_id}", responses=answers(Mailbox, 404, 412))
@requires("mailboxes:write")
async def update_mailbox(user_id: str, body: MailboxChange, context: Write, if_match: IfMatch) -> Response:
    """Emails a day, as the tenant has days, and seconds between two of them. A cap of 0 sends nothing."""
    service = SequenceService(context)
    row = await service.limit(user_id, body.model_dump(exclude_unset=True), expected_version=if_match)
    return written(await service.sequences.rendered("mailbox", user_id), version=row.version)


@read(suppressions, "", SuppressionPage)
@requires("suppressions:read")
async def list_suppressions(request: Request, query: Annotated[SuppressionQuery, Query()]) -> Response:
    """Addresses that no sequence writes to, newest first."""
    return await page(request, "api_list_suppressions", query)


@suppressions.post("", status_code=201, responses=answers(Suppression, status=201))
@requires("suppressions:write")
async def create_suppression(body: SuppressionCreate, context: Write) -> Response:
    """Never write to an address again, and stop whoever has it. One that is suppressed before stays as it is.

    Bounces and complaints that a mail provider tells of later go here.
    """
    service = SequenceService(context)
    suppression_id = await service.suppress(body.email, body.reason)
    document = await service.sequences.rendered("suppression", suppression_id)
    return Response(document, status_code=201, media_type=JSON)


@suppressions.delete("/{suppression_id}", status_code=204, responses=problems(404))
@requires("suppressions:delete")
async def delete_suppression(suppression_id: str, context: Write, process: Process) -> Response:
    """Let an address be written to again: only where that is the person's own wish."""
    await SequenceService(context).release(suppression_id, Marks.of(process.settings))
    return Response(status_code=204)
