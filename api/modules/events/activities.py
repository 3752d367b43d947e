"""Activities as other systems tell of them: the type of the event is theirs, and one activity may be told of again."""

from datetime import datetime

from api.dependencies.work import WriteContext
from api.modules.activities.service import ActivityService, is_planned
from api.modules.activities.threads import subject_key
from api.modules.events.errors import invalid
from api.modules.events.kinds import COMPLETED, FOLLOWING, PLANNED
from api.records.held import Batch, HeldParticipants
from api.records.trail import Values, plain
from bevyly.db.schema import Activity


class InboundActivities(ActivityService):
    """The activity of one event."""

    def __init__(self, context: WriteContext, batch: Batch, type_: str) -> None:
        super().__init__(context)
        self.known = HeldParticipants(batch)
        self._batch = batch
        self._type = type_

    async def happened(self, record_id: str, values: Values) -> Activity:
        """An activity that was not told of before. Mail that was opened is mail that we sent."""
        if self._type in FOLLOWING:
            values = values | {"direction": "outbound"}
        if self._type in COMPLETED:
            values = values | {"completed_at": self.now}
        if self._type == "call.scheduled":
            values = values | {"due_at": values.get("due_at") or self.now}
        return await self.create({"custom": {}} | values | {"id": record_id, "occurred_at": self.now})

    async def created(self, row: Activity) -> None:
        await self._settle(row)
        told = [{name: one.get(name) for name in ("contact_id", "email", "role")} for one in self.participants]
        self._batch.participants[row.id] = told
        await self._tell(row)

    async def _settle(self, row: Activity) -> None:
        """A batch asks nothing for a single row: an email of another system, which tells no ids, begins a thread."""
        if row.kind == "email":
            row.thread_id, row.subject_key = row.id, subject_key(row.subject)
        self.known.add(row.id, self.participants)

    async def _contacts_of(self, emails: set[str]) -> dict[str, str]:
        """Nobody: another system says itself which of its contacts took part."""
        return {}

    async def told_again(self, row: Activity, values: Values) -> bool:
        """What is known of an activity changes, or it is done, or followed by a reaction; whether anything did.

        A correction is ours alone: only what happened since, or is planned for another time, is an event.
        """
        if row.kind != values["kind"]:
            raise invalid(("data.activity_id", "other_kind", f"this activity is a {row.kind}"))
        if self._type in FOLLOWING:
            row.version, row.updated_at = row.version + 1, self.now
            await self._tell(row)
            return True
        changes = await self._differences(row, values)
        if not changes:
            return False
        for name, value in changes.items():
            setattr(row, name, value)
        if row.thread_id is not None:
            row.subject_key = subject_key(row.subject)
        row.version, row.updated_at = row.version + 1, self.now
        if "completed_at" in changes or (self._type in PLANNED and "due_at" in changes and row.completed_at is None):
            await self._tell(row)
        return True

    async def _differences(self, row: Activity, values: Values) -> Values:
        wanted = {name: value for name, value in values.items() if name not in ("kind", "participants")}
        if "custom" in wanted:
            wanted["custom"] = await self.custom.fitted({**row.custom, **wanted["custom"]}, row.custom)
        if self._type in COMPLETED and is_planned(row):
            wanted["completed_at"] = self.now
        before = {name: getattr(row, name) for name in wanted}
        after = {name: value for name, value in wanted.items() if before[name] != value}
        if after:
            before = {name: before[name] for name in after}
            self.trail.audit("activity.updated", self.subject(row), before=plain(before), after=plain(after))
        return after

    async def _tell(self, row: Activity) -> None:
        data = self.payload(row) | {"participants": await self.known.of(row.id)}
        if self._type in FOLLOWING:
            data["direction"] = "inbound"
        if self._type in COMPLETED:
            data["due_at"] = None
        happened: datetime = self.now
        self.trail.emit(self._type, self.subject(row), sequence=row.version, data=data, occurred_at=happened)
