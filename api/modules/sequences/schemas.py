"""Shapes of sequences, of who goes through them, of mailboxes and of addresses never to write to."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, StrictBool, StringConstraints, model_validator

from api.modules.sequences.templates import checked
from api.query.schemas import ListPage, ListQuery
from api.schemas import Count, Email, Id, Input, Name, Output, PageInfo, PageQuery, Timezone, WorkingHours

MAX_STEPS = 30
MAX_PEOPLE = 1_000
SequenceStatus = Literal["draft", "active", "paused"]
EnrolmentStatus = Literal["active", "paused", "stopped", "finished"]
StepKind = Literal["email", "call", "task"]
Outcome = Literal["queued", "sent", "bounced", "failed", "withdrawn", "open", "completed", "skipped"]
SuppressionReason = Literal["unsubscribed", "bounced", "complained", "manual"]
_FIELDS = "may have fields such as `{{contact.first_name|there}}`"
Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f\x85\u2028\u2029]*$"),
    AfterValidator(checked),
    Field(description=f"one line; {_FIELDS}", examples=["{{contact.first_name|Hello}}, a question"]),
]
Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=20_000),
    AfterValidator(checked),
    Field(description=f"plain text; {_FIELDS}", examples=["Hello {{contact.first_name|there}},\n\nmay I …?"]),
]


class SendWindow(WorkingHours):
    """When emails leave and tasks appear. Hours that end before they start go on until the next day."""

    days: list[Annotated[int, Field(ge=1, le=7)]] = Field(min_length=1, max_length=7)
    timezone: Timezone | None = Field(default=None, description="that of the tenant where left out")


class _Step(Input):
    id: Id | None = Field(default=None, description="of a step that stays; a new step has none")
    wait_days: int = Field(default=0, ge=0, le=365, description="after the step before, on the calendar")
    wait_hours: int = Field(default=0, ge=0, le=23)


class EmailStep(_Step):
    """An email in the sender's name. Without a subject it answers the one before, in the same conversation."""

    kind: Literal["email"]
    subject: Line | None = None
    body: Text


class TaskStep(_Step):
    """A task for the sender. The sequence goes on when it is done."""

    kind: Literal["call", "task"]
    subject: Line
    body: Text | None = None


Steps = Annotated[
    list[Annotated[EmailStep | TaskStep, Field(discriminator="kind")]],
    Field(max_length=MAX_STEPS, description="in their order"),
]


class SequenceCreate(Input):
    """A new sequence, as a draft."""

    name: Name
    description: Annotated[str, StringConstraints(max_length=1000)] | None = None
    steps: Steps = Field(default_factory=list)
    send_window: SendWindow | None = Field(
        default=None, description="the working hours of the tenant's settings where left out"
    )


class SequenceChange(Input):
    """Fields of a sequence to change; `steps` are replaced as a whole, those that stay keep their `id`."""

    name: Name = Field(default_factory=str)
    description: Annotated[str, StringConstraints(max_length=1000)] | None = None
    steps: Steps = Field(default_factory=list)
    send_window: SendWindow | None = None
    status: Literal["active", "paused"] = Field(default="active", description="what was active is no draft again")


class SequenceQuery(PageQuery):
    """Which sequences."""

    status: SequenceStatus | None = None
    owner_id: Id | None = None


class Step(Output):
    """A step."""

    id: Id
    kind: StepKind
    wait_days: int
    wait_hours: int
    subject: str | None
    body: str | None


class Sequence(Output):
    """A sequence."""

    id: Id
    name: str
    description: str | None
    status: SequenceStatus
    owner_id: Id
    steps: list[Step]
    send_window: SendWindow | None
    version: int
    created_at: datetime
    updated_at: datetime


class SequencePage(Output):
    """A page of sequences, newest first."""

    data: list[Sequence]
    page: PageInfo


class StepStatistics(Output):
    """What came of a step; replies, meetings and unsubscriptions count for the last step that was done before."""

    step_id: Id
    kind: StepKind
    executed: int
    sent: int
    bounced: int
    failed: int
    completed: int
    replied: int
    meeting: int
    unsubscribed: int


class Statistics(Output):
    """What came of a sequence, as far as the reader sees the people in it."""

    sequence_id: Id
    version: int
    enrolled: int
    active: int
    paused: int
    finished: int
    stopped: int
    replied: int
    meeting: int
    bounced: int
    unsubscribed: int
    steps: list[StepStatistics]


class Person(Input):
    """A contact or a lead."""

    contact_id: Id | None = None
    lead_id: Id | None = None

    @model_validator(mode="after")
    def _one(self) -> "Person":
        if (self.contact_id is None) == (self.lead_id is None):
            raise ValueError("name either a contact or a lead")
        return self


class Enrol(Input):
    """Whom to enrol, and in whose name."""

    people: list[Person] = Field(min_length=1, max_length=MAX_PEOPLE)
    sender_id: Id | None = Field(default=None, description="the one who asks where left out; owners and admins choose")
    allow_parallel: StrictBool = Field(default=False, description="also who is on the way through another sequence")
    allow_again: StrictBool = Field(default=False, description="also who went through this one before")


class EnrolledRow(Output):
    """What became of one person."""

    index: int = Field(description="place in the call, from 0")
    status: Literal["enrolled", "refused"]
    id: Id | None = None
    problem: dict[str, JsonValue] | None = Field(default=None, description="`code` and `detail` of a refusal")


class Enrolled(Output):
    """What became of each person, in their order."""

    counts: dict[Literal["enrolled", "refused"], int]
    results: list[EnrolledRow]


class Resume(Input):
    """Whether somebody else goes on with it."""

    sender_id: Id | None = None


class EnrolmentQuery(ListQuery):
    """Which enrolments."""

    sequence_id: Id | None = None
    contact_id: Id | None = None
    lead_id: Id | None = None
    sender_id: Id | None = None
    status: EnrolmentStatus | None = None


class EnrolmentSummary(Output):
    """A person on the way through a sequence; `next_at` is null while a task (`waiting_for`) is open."""

    id: Id
    sequence_id: Id
    contact_id: Id | None
    lead_id: Id | None
    sender_id: Id
    enrolled_by: Id
    address: str
    status: EnrolmentStatus
    reason: str | None
    step_id: Id | None
    next_kind: Literal["email", "call", "task", "end"] | None
    next_at: datetime | None
    waiting_for: Id | None
    ended_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class StepRun(Output):
    """A step that was done. An email is queued until it has left (`sent`); then `settled_at` says when."""

    step_id: Id
    kind: StepKind
    outcome: Outcome
    activity_id: Id
    message_id: str | None
    address: str | None
    executed_at: datetime
    settled_at: datetime | None


class Enrolment(EnrolmentSummary):
    """An enrolment with its history."""

    history: list[StepRun]


class EnrolmentPage(ListPage):
    """A page of enrolments, newest first."""

    data: list[EnrolmentSummary]


class MailboxChange(Input):
    """How much may be sent in the name of one user."""

    daily_cap: Annotated[Count, Field(le=10_000)] = Field(default=100, description="emails a day, where the tenant is")
    spacing_seconds: Annotated[Count, Field(le=86_400)] = Field(default=60, description="at least between two emails")


class Mailbox(Output):
    """How much may be sent in the name of one user, and how much was."""

    user_id: Id
    daily_cap: int
    spacing_seconds: int
    sent_on: date | None
    sent_count: int
    free_at: datetime | None
    version: int


class SuppressionCreate(Input):
    """An address that no sequence may write to."""

    email: Email
    reason: SuppressionReason = "manual"


class SuppressionQuery(PageQuery):
    """Which addresses."""

    email: Annotated[str, StringConstraints(max_length=255, to_lower=True)] | None = None
    reason: SuppressionReason | None = None


class Suppression(Output):
    """An address that no sequence writes to."""

    id: Id
    email: str
    reason: SuppressionReason
    enrolment_id: Id | None
    created_at: datetime


class SuppressionPage(Output):
    """A page of addresses, newest first."""

    data: list[Suppression]
    page: PageInfo
