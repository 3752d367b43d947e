"""What may be done with activities, and which event each of them is."""

from datetime import datetime
from typing import ClassVar

from api.dependencies.work import WriteContext
from api.modules.activities.repository import ParticipantRepository
from api.records.service import RecordService, require_version
from api.records.trail import Values
from bevyly.db.schema import Activity, ActivityParticipant
from bevyly.errors import Conflict
from bevyly.ids import new_id

PLANNED = {"meeting": "meeting.scheduled", "task": "task.created"}
COMPLETED = {"meeting": "meeting.completed", "task": "task.completed"}
HAPPENED = {"call": "call.completed", "note": "note.created", "form": "form.submitted", "page_view": "page.viewed"}
BY_DIRECTION = {
    ("email", "inbound"): "email.received",
    ("proposal", "inbound"): "proposal.replied",
}
SENT = {"email": "email.sent", "proposal": "proposal.sent"}
_DIRECTIONS = {"form": "inbound", "page_view": "inbound", "note": "internal", "task": "internal"}


class NotPlanned(Conflict):
    """Only a planned meeting or task that is not yet done can be completed."""

    code = "activity_not_planned"


def event_type(kind: str, direction: str, *, completed: bool) -> str:
    """The event that an activity of this kind is."""
    if kind in PLANNED:
        return (COMPLETED if completed else PLANNED)[kind]
    return BY_DIRECTION.get((kind, direction)) or SENT.get(kind) or HAPPENED[kind]


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
        self.known = ParticipantRepository(self.session, self.customer_id)

    async def create(self, values: Values) -> Activity:
        fields = {name: value for name, value in values.items() if name != "participants"}
        self.participants = values.get("participants", [])
        for participant in self.participants:
            await self.require_visible(participant)
        fields["direction"] = values.get("direction") or _DIRECTIONS.get(values["kind"], "outbound")
        fields["occurred_at"] = values.get("occurred_at") or self.now
        return await super().create(fields | {"recorded_at": self.trail.recorded_at})

    async def created(self, row: Activity) -> None:
        """The time of the event is that of the touch, or of its completion; a planned one is told when entered."""
        self._add_participants(row)
        named = [(name, value) for one in self.participants for name, value in one.items()]
        await self.records.require_living(named)
        type_ = event_type(row.kind, row.direction, completed=row.completed_at is not None)
        happened = row.completed_at or row.occurred_at
        data = self.payload(row) | {"participants": [_public(one) for one in self.participants]}
        self.trail.emit(type_, self.subject(row), sequence=row.version, data=data, occurred_at=min(happened, self.now))

    async def complete(
        self,
        activity_id: str,
        *,
        completed_at: datetime | None,
        duration_seconds: int | None,
        expected_version: int | None,
    ) -> Activity:
        """A planned meeting or task is done; raises `NotPlanned`."""
        row = await self.records.lock(activity_id)
        require_version(row, expected_version)
        if row.kind not in COMPLETED or row.completed_at is not None:
            raise NotPlanned("Only a planned meeting or task that is not yet done can be completed.")
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

    def _add_participants(self, row: Activity) -> None:
        self.session.add_all(
            ActivityParticipant(customer_id=self.customer_id, id=new_id(), activity_id=row.id, **participant)
            for participant in self.participants
        )


def _public(participant: Values) -> Values:
    return {name: participant.get(name) for name in ("contact_id", "email", "role")}
