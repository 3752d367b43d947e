"""Shapes of activities: emails, meetings, calls, tasks, notes, forms, page views, proposals."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.query.schemas import ListPage, ListQuery
from api.schemas import (
    Comment,
    Count,
    Custom,
    Email,
    Id,
    Input,
    Instant,
    Name,
    Output,
    PageQuery,
    Subject,
    Text50,
    VersionedOutput,
)

Kind = Literal["email", "meeting", "call", "task", "note", "form", "page_view", "proposal"]
Direction = Literal["inbound", "outbound", "internal"]
Answer = Literal["accepted", "declined", "tentative"]
MessageId = Annotated[
    str, StringConstraints(max_length=998, pattern=r"^<[^<>\s]+>$"), Field(description="as RFC 5322 has it: `<…>`")
]


class ParticipantInput(Input):
    """Somebody who took part, or is invited. An email address that a contact has stands for that contact."""

    contact_id: Id | None = None
    user_id: Id | None = None
    email: Email | None = None
    role: Text50 | None = None
    response: Answer | None = Field(default=None, description="what an invited person answered")


class ActivityCreate(Input):
    """A touch that happened, or one that is planned (`due_at` and no `completed_at`; a call also by a time to come)."""

    kind: Kind
    direction: Direction | None = Field(default=None, description="derived from the kind where left out")
    subject: Subject | None = None
    body: Comment | None = None
    occurred_at: Instant | None = Field(default=None, description="now where left out")
    due_at: Instant | None = None
    completed_at: Instant | None = None
    duration_seconds: Count | None = None
    account_id: Id | None = None
    contact_id: Id | None = None
    opportunity_id: Id | None = None
    lead_id: Id | None = None
    owner_id: Id | None = None
    external_id: Name | None = None
    participants: list[ParticipantInput] = Field(default_factory=list, max_length=200)
    custom: Custom = Field(default_factory=dict)
    message_id: MessageId | None = None
    in_reply_to: MessageId | None = None
    references: list[MessageId] = Field(
        default_factory=list, max_length=100, description="ids of earlier emails of the thread; not kept"
    )


class ActivityChange(Input):
    """Fields of an activity to change; those left out stay, `custom` and `participants` are replaced as a whole."""

    subject: Subject | None = None
    body: Comment | None = None
    due_at: Instant | None = None
    account_id: Id | None = None
    contact_id: Id | None = None
    opportunity_id: Id | None = None
    lead_id: Id | None = None
    owner_id: Id | None = None
    participants: list[ParticipantInput] = Field(default_factory=list, max_length=200)
    custom: Custom = Field(default_factory=dict)


class Completion(Input):
    """How a planned activity ended."""

    completed_at: Instant | None = Field(default=None, description="now where left out")
    duration_seconds: Count | None = None


class ActivityQuery(ListQuery):
    """Which activities."""

    owner_id: Id | None = None
    account_id: Id | None = None
    contact_id: Id | None = None
    opportunity_id: Id | None = None
    lead_id: Id | None = None
    kind: Kind | None = None


class TaskQuery(PageQuery):
    """Which open tasks. Days are those of the tenant's time zone."""

    due: Literal["overdue", "today", "week"] | None = Field(
        default=None,
        description="overdue: before now; today: at any time of today; week: today or within six days of it",
    )
    owner_id: Id | None = None


class Participant(Output):
    """Somebody who took part."""

    contact_id: Id | None
    user_id: Id | None
    email: str | None
    role: str | None
    response: Answer | None


class Activity(VersionedOutput):
    """An activity."""

    kind: Kind
    direction: Direction
    subject: str | None
    body: str | None
    occurred_at: datetime
    recorded_at: datetime
    due_at: datetime | None
    completed_at: datetime | None
    duration_seconds: int | None
    account_id: Id | None
    contact_id: Id | None
    opportunity_id: Id | None
    lead_id: Id | None
    owner_id: Id | None
    thread_id: Id | None
    message_id: str | None
    in_reply_to: str | None
    participants: list[Participant]


class ActivityPage(ListPage):
    """A page of activities, latest first."""

    data: list[Activity]
