"""What may be done with activities, and which event each of them is."""

from datetime import datetime
from typing import Any, ClassVar

from api.dependencies.work import WriteContext
from api.modules.activities.repository import PERSON, ParticipantRepository, ThreadRepository
from api.modules.activities.threads import Threading, subject_key
from api.records.service import RecordService, require_version
from api.records.trail import Values, plain
from bevyly.db.schema import Activity
from bevyly.errors import Conflict

PLANNED = {"meeting": "meeting.scheduled", "task": "task.created", "call": "call.scheduled"}
COMPLETED = {"meeting": "meeting.completed", "task": "task.completed", "call": "call.completed"}
HAPPENED = {"note": "note.created", "form": "form.submitted", "page_view": "page.viewed"}
BY_DIRECTION = {
    ("email", "inbound"): "email.received",
    ("proposal", "inbound"): "proposal.replied",
}
SENT = {"email": "email.sent", "proposal": "proposal.sent"}
_NAMING_AN_UPDATE = ("kind", "direction", "account_id", "contact_id", "lead_id", "opportunity_id")
_DIRECTIONS = {"form": "inbound", "page_view": "inbound", "note": "internal", "task": "internal"}


class NotPlanned(Conflict):
    """Only a planned meeting, call or task that is not yet done can be completed."""

    code = "activity_not_planned"


class NotCompleted(Conflict):
    """Only a task that is done can be opened again."""

    code = "activity_not_completed"


def is_planned(row: Activity) -> bool:
    """Whether an activity is yet to come. Of calls that is so only where they are due: most are recorded when held."""
    return row.kind in PLANNED and row.completed_at is None and (row.kind != "call" or row.due_at is not None)


def event_type(row: Activity) -> str:
    """The event that a new activity is."""
    kind = row.kind
    if kind in PLANNED:
        return (PLANNED if is_planned(row) else COMPLETED)[kind]
    return BY_DIRECTION.get((kind, row.direction)) or SENT.get(kind) or HAPPENED[kind]


class ActivityService(RecordService[Activity]):
    """What happened between people of one tenant and their contacts."""

    table = Activity
    kind: ClassVar[str] = "activity"
    created_fields: ClassVar[tuple[str, ...]] = (
        "kind",
        "direction",
        "account_id",
        "contact_id",
        "lead_id",
        "opportunity_id",
        "owner_id",
        "subject",
        "duration_seconds",
        "due_at",
        "custom",
    )
    naming_fields: ClassVar[tuple[str, ...]] = (
        "kind",
        "direction",
        "account_id",
        "contact_id",
        "lead_id",
        "opportunity_id",
        "subject",
    )

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context)
        self.participants: list[Values] = []
        self.references: list[str] = []
        self.known = ParticipantRepository(self.session, self.customer_id)
        self.threading = Threading(ThreadRepository(self.session, self.customer_id))

    async def create(self, values: Values) -> Activity:
        fields = {name: value for name, value in values.items() if name not in ("participants", "references")}
        self.participants = await self._linked(values.get("participants", []))
        self.references = values.get("references", [])
        fields["direction"] = values.get("direction") or _DIRECTIONS.get(values["kind"], "outbound")
        fields["occurred_at"] = values.get("occurred_at") or self.now
        if values["kind"] == "call" and fields["occurred_at"] > self.now and not values.get("completed_at"):
            fields["due_at"] = values.get("due_at") or fields["occurred_at"]
        return await super().create(fields | {"recorded_at": self.trail.recorded_at})

    async def created(self, row: Activity) -> None:
        """The time of the event is that of the touch, or of its completion; a planned one is told when entered."""
        await self._settle(row)
        await self._require_living_people(self.participants)
        type_ = event_type(row)
        happened = row.completed_at or row.occurred_at
        data = self.payload(row) | {"participants": [_public(one) for one in self.participants]}
        self.trail.emit(type_, self.subject(row), sequence=row.version, data=data, occurred_at=min(happened, self.now))

    async def update(self, record_id: str, changes: Values, *, expected_version: int | None) -> Activity:
        if "participants" in changes:
            await self.records.lock(record_id)
            self.participants = await self.known.all(record_id)
            changes = changes | {"participants": await self._linked(changes["participants"])}
        return await super().update(record_id, changes, expected_version=expected_version)

    async def changed(self, row: Activity, before: Values, after: Values) -> None:
        if "participants" in after:
            await self.known.clear(row.id)
            self.known.add(row.id, after["participants"])
            await self._require_living_people(after["participants"])
        if "subject" in after and row.thread_id is not None:
            row.subject_key = subject_key(row.subject)
        self.tell_update(row, before, after)

    def tell_update(self, row: Activity, before: Values, after: Values) -> str:
        """One `activity.updated`. As in all events, the body stays here: the event says that it changed."""
        row.version += 1
        data = {
            "activity_id": row.id,
            **{name: getattr(row, name) for name in _NAMING_AN_UPDATE},
            "changed": sorted(after),
            "before": _told(before),
            "after": _told(after),
        }
        return self.trail.emit("activity.updated", self.subject(row), sequence=row.version, data=data).id

    def value(self, row: Activity, field: str) -> Any:
        return self.participants if field == "participants" else super().value(row, field)

    def _columns(self, values: Values) -> Values:
        return super()._columns({name: value for name, value in values.items() if name != "participants"})

    async def reopen(self, activity_id: str, *, expected_version: int | None) -> Activity:
        """A task is to be done after all; raises `NotCompleted`."""
        row = await self.records.lock(activity_id)
        require_version(row, expected_version)
        if row.kind != "task" or row.completed_at is None:
            raise NotCompleted("Only a task that is done can be opened again.")
        before, after = {"completed_at": row.completed_at}, {"completed_at": None}
        row.completed_at, row.updated_at = None, self.now
        self.tell_update(row, before, after)
        self.trail.audit("activity.reopened", self.subject(row), before=before, after=after)
        return row

    async def complete(
        self,
        activity_id: str,
        *,
        completed_at: datetime | None,
        duration_seconds: int | None,
        expected_version: int | None,
    ) -> Activity:
        """A planned meeting, call or task is done; raises `NotPlanned`."""
        row = await self.records.lock(activity_id)
        require_version(row, expected_version)
        if not is_planned(row):
            raise NotPlanned("Only a planned meeting, call or task that is not yet done can be completed.")
        row.completed_at = completed_at or self.now
        row.duration_seconds = duration_seconds if duration_seconds is not None else row.duration_seconds
        row.updated_at = self.now
        row.version += 1
        data = await self.restored(row) | {"due_at": None}
        happened = min(row.completed_at, self.now)
        self.trail.emit(COMPLETED[row.kind], self.subject(row), sequence=row.version, data=data, occurred_at=happened)
        before, after = {"completed_at": None}, {"completed_at": row.completed_at}
        self.trail.audit("activity.completed", self.subject(row), before=before, after=after)
        return row

    async def restored(self, row: Activity) -> Values:
        return self.payload(row) | {"participants": await self.known.of(row.id)}

    async def _settle(self, row: Activity) -> None:
        """What a new activity brings along: its people, and its thread if it is an email."""
        if row.kind == "email":
            await self.threading.place(row, references=self.references, participants=self.participants)
        self.known.add(row.id, self.participants)

    async def _linked(self, participants: list[Values]) -> list[Values]:
        """Participants as they are kept; an address that a contact has stands for that contact."""
        for participant in participants:
            await self.require_visible(participant)
        people = [{name: one.get(name) for name in PERSON} for one in participants]
        unknown = {one["email"].lower() for one in people if one["email"] and not (one["contact_id"] or one["user_id"])}
        contacts = await self._contacts_of(unknown) if unknown else {}
        for one in people:
            if one["contact_id"] is None and one["user_id"] is None:
                one["contact_id"] = contacts.get((one["email"] or "").lower())
        return people

    async def _require_living_people(self, people: list[Values]) -> None:
        await self.records.require_living([(name, value) for one in people for name, value in one.items()])

    async def _contacts_of(self, emails: set[str]) -> dict[str, str]:
        return await self.known.contacts_of(emails)


def _public(participant: Values) -> Values:
    return {name: participant.get(name) for name in ("contact_id", "email", "role")}


def _told(values: Values) -> Values:
    told = {name: value for name, value in plain(values).items() if name != "body"}
    if "participants" in told:
        told["participants"] = [_public(one) for one in told["participants"]]
    return told
