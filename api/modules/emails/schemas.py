"""Shapes of threads of emails."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.modules.activities.schemas import Activity, Direction
from api.schemas import Id, Output, PageInfo, PageQuery

Side = Literal["us", "them"]


class ThreadQuery(PageQuery):
    """Which threads: those with an email that fits."""

    owner_id: Id | None = None
    account_id: Id | None = None
    contact_id: Id | None = None
    opportunity_id: Id | None = None
    lead_id: Id | None = None
    awaiting: Side | None = Field(default=None, description="who is to answer the latest email")


class Correspondent(Output):
    """Somebody who took part in a thread."""

    contact_id: Id | None
    user_id: Id | None
    email: str | None


class ThreadSummary(Output):
    """A thread: what its emails say together. Links are those of the latest email that has one."""

    id: Id
    subject: str | None
    message_count: int
    inbound_count: int
    outbound_count: int
    first_at: datetime
    last_at: datetime
    last_activity_id: Id
    last_direction: Direction
    awaiting_reply_from: Side | None
    account_id: Id | None
    contact_id: Id | None
    opportunity_id: Id | None
    lead_id: Id | None
    owner_id: Id | None
    participants: list[Correspondent]


class Thread(ThreadSummary):
    """A thread with its emails."""

    messages: list[Activity]


class ThreadPage(Output):
    """A page of threads, latest first."""

    data: list[ThreadSummary]
    page: PageInfo
