"""Threads of emails over HTTP. The emails are activities: what creates, changes and threads them is there."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.modules.emails.schemas import Thread, ThreadPage, ThreadQuery
from api.records.reads import one, page
from api.routing import area, problems, read, requires

router = area("/emails", "emails")


@read(router, "/threads", ThreadPage)
@requires("activities:read")
async def list_threads(request: Request, query: Annotated[ThreadQuery, Query()]) -> Response:
    """Threads of emails, the one with the latest email first."""
    return await page(request, "api_list_email_threads", query)


@read(router, "/threads/{thread_id}", Thread, responses=problems(404))
@requires("activities:read")
async def get_thread(request: Request, thread_id: str) -> Response:
    """One thread with its latest 200 emails, the oldest of them first. Its `ETag` is the number of its emails."""
    return await one(request, "api_get_email_thread", thread_id, kind="thread")
