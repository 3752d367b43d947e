"""What people do with sequences and with single enrolments. Enrolling many at once is `enrolling`."""

from typing import Any

from api.dependencies.work import WriteContext
from api.modules.sequences.errors import BadSteps, EnrolmentState, NotYours, SenderDisabled, StepsNeeded
from api.modules.sequences.repository import SequenceRepository
from api.modules.sequences.stopping import BY_HAND, OF_ADDRESSES, Moment, Stops
from api.modules.sequences.timing import opening, sending_hours
from api.permissions import MANAGERS
from api.problems import ReferenceNotFound
from api.records.repository import missing
from api.records.service import require_version
from api.records.trail import Trail, Values
from bevyly.db.schema import Sequence, SequenceEnrolment, SequenceMailbox, User
from bevyly.ids import is_id, new_id
from bevyly.privacy.marks import Marks

STEP: Values = {"id": None, "kind": None, "wait_days": 0, "wait_hours": 0, "subject": None, "body": None}


class SequenceService:
    """Sequences of one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.principal = context.principal
        self.session = context.work.session
        self.trail = Trail(context)
        self.now = self.trail.now
        self.sequences = SequenceRepository(self.session, self.principal.customer_id)
        self.stops = Stops(context.work)
        self.moment = Moment(self.now, request_id=context.request_id)

    async def create(self, values: Values) -> Sequence:
        """A new draft of one's own; raises `BadSteps`."""
        values = values | {"steps": stored(values.get("steps", []), [])}
        row = Sequence(customer_id=self.principal.customer_id, id=new_id(), owner_id=self.principal.user_id, **values)
        row.status, row.version, row.created_at, row.updated_at = "draft", 1, self.now, self.now
        await self.context.work.insert(row)
        self.trail.audit("sequence.created", ("sequence", row.id), after=values)
        return row

    async def update(self, sequence_id: str, changes: Values, *, expected_version: int | None) -> Sequence:
        """Change a sequence; raises `NotYours`, `BadSteps` or `StepsNeeded`.

        Who is on the way goes on with the new steps from where they are: what they passed is not done again.
        """
        row = await self.sequences.lock(sequence_id)
        self._require_own(row)
        require_version(row, expected_version)
        if "steps" in changes:
            changes = changes | {"steps": stored(changes["steps"], row.steps)}
        before = {name: getattr(row, name) for name in changes}
        after = {name: value for name, value in changes.items() if value != before[name]}
        if not after:
            return row
        for name, value in after.items():
            setattr(row, name, value)
        if row.status != "draft" and not row.steps:
            raise StepsNeeded("A sequence that is active or paused has at least one step.")
        if "steps" in after:
            await self._move_on(row, before["steps"])
        self._changed(row, "updated", {name: before[name] for name in after}, after)
        return row

    async def delete(self, sequence_id: str, *, expected_version: int | None) -> None:
        """Hide a sequence: nothing is done for anybody in it any more, and the sequencer ends their enrolments."""
        row = await self.sequences.lock(sequence_id)
        require_version(row, expected_version)
        row.deleted_at = self.now
        self._changed(row, "deleted", {"deleted_at": None}, {"deleted_at": row.deleted_at})

    async def restore(self, sequence_id: str) -> Sequence:
        """Bring a deleted sequence back; who was ended meanwhile stays so."""
        row = await self.sequences.lock(sequence_id, deleted=True)
        before, row.deleted_at = row.deleted_at, None
        self._changed(row, "restored", {"deleted_at": before}, {"deleted_at": None})
        return row

    async def pause(self, enrolment_id: str) -> SequenceEnrolment:
        """Do nothing for somebody until it is resumed; raises `EnrolmentState`."""
        row = await self._enrolment(enrolment_id, ("active",))
        row.status, row.reason = "paused", "manual"
        self._moved(row, "paused", {"status": "active"}, {"status": "paused"})
        return row

    async def resume(self, enrolment_id: str, *, sender_id: str | None) -> SequenceEnrolment:
        """Go on, in the name of another sender if one is named; raises `EnrolmentState` or `SenderDisabled`."""
        row = await self._enrolment(enrolment_id, ("paused",))
        before = {"status": row.status, "reason": row.reason, "sender_id": row.sender_id}
        row.sender_id = (await self.sender(sender_id or row.sender_id, chosen=sender_id is not None)).id
        await self.sequences.mailbox(row.sender_id)
        sequence, tenant = await self.sequences.sequence(row.sequence_id), await self.sequences.tenant()
        row.status, row.reason = "active", None
        if row.waiting_for is None and sequence is not None:
            hours = sending_hours(sequence.send_window, tenant.timezone, tenant.settings.get("working_hours"))
            row.next_at = opening(hours, max(self.now, row.next_at or self.now))[0]
        after = {"status": "active", "reason": None, "sender_id": row.sender_id}
        self._moved(row, "resumed", before, after)
        return row

    async def stop(self, enrolment_id: str) -> int:
        """End it for good; its new version. Raises `EnrolmentState`."""
        row = await self._enrolment(enrolment_id, ("active", "paused"))
        before = {"status": row.status}
        await self.stops.end({row.id: BY_HAND}, self.moment)
        subject = ("sequence_enrolment", row.id)
        self.trail.audit("sequence_enrolment.stopped", subject, before=before, after={"status": "stopped"})
        return row.version + 1

    async def sender(self, user_id: str, *, chosen: bool = True) -> User:
        """Who sends, held as somebody who may come in; raises `NotYours`, `ReferenceNotFound` or `SenderDisabled`."""
        user = await self.sequences.user(user_id)
        if user is None:
            raise ReferenceNotFound.of("sender_id")
        if chosen and user.id != self.principal.user_id and self.principal.role not in MANAGERS:
            raise NotYours("Only owners and admins choose who sends.")
        if user.disabled_at is not None:
            raise SenderDisabled("Who is to send may not come in any more.")
        return user

    async def limit(self, user_id: str, changes: Values, *, expected_version: int | None) -> SequenceMailbox:
        """How much may be sent in the name of one user; raises `NotFound`."""
        if not is_id(user_id) or await self.sequences.user(user_id) is None:
            raise missing("user")
        row = await self.sequences.mailbox(user_id)
        require_version(row, expected_version)
        before = {name: getattr(row, name) for name in changes}
        for name, value in changes.items():
            setattr(row, name, value)
        row.version += 1
        self.trail.audit("mailbox.updated", ("user", user_id), before=before, after=changes)
        return row

    async def suppress(self, email: str, reason: str) -> str:
        """Never write to an address again, and stop whoever has it; the id of its row, also of an earlier one."""
        address = email.lower()
        made = await self.sequences.suppress(address, reason, enrolment_id=None, now=self.now)
        async with self.context.work.see_everything():
            await self.stops.where(OF_ADDRESSES, STOPPED_BY[reason], self.moment, values=[address])
        if made is not None:
            self.trail.audit("suppression.created", ("suppression", made), after={"email": address, "reason": reason})
        return made or await self.sequences.suppression_of(address)

    async def release(self, suppression_id: str, marks: Marks) -> None:
        """Let an address be written to again, also where somebody had it who was erased."""
        row = await self.sequences.suppression(suppression_id)
        await self.sequences.forget_marks(marks.all(self.principal.customer_id, row.email))
        before = {"email": row.email, "reason": row.reason}
        await self.session.delete(row)
        self.trail.audit("suppression.deleted", ("suppression", row.id), before=before)

    def _require_own(self, row: Sequence) -> None:
        if row.owner_id != self.principal.user_id and self.principal.role not in MANAGERS:
            raise NotYours("Only its owner, and owners and admins of the tenant, change a sequence.")

    async def _move_on(self, row: Sequence, before: list[Values]) -> None:
        """Let nobody wait for a step that is gone."""
        stays = {step["id"]: step for step in row.steps}
        old = [step["id"] for step in before]
        for place, id_ in enumerate(old):
            if id_ not in stays:
                following = next((stays[one] for one in old[place:] if one in stays), None)
                await self.sequences.move_on(row.id, id_, following, self.now)

    async def _enrolment(self, enrolment_id: str, states: tuple[str, ...]) -> SequenceEnrolment:
        row = await self.sequences.lock_enrolment(enrolment_id)
        if row.status not in states:
            raise EnrolmentState(f"An enrolment that is {row.status} cannot do this.", enrolment_status=row.status)
        return row

    def _moved(self, row: SequenceEnrolment, action: str, before: Values, after: Values) -> None:
        row.version, row.updated_at = row.version + 1, self.now
        self.trail.audit(f"sequence_enrolment.{action}", ("sequence_enrolment", row.id), before=before, after=after)

    def _changed(self, row: Sequence, action: str, before: Values, after: Values) -> None:
        row.version, row.updated_at = row.version + 1, self.now
        self.trail.audit(f"sequence.{action}", ("sequence", row.id), before=before, after=after)


STOPPED_BY = {
    "unsubscribed": "unsubscribed",
    "bounced": "bounced",
    "complained": "unsubscribed",
    "manual": "suppressed",
}
"""Why somebody stops whose address is suppressed, by why it is."""


def stored(steps: list[Values], known: list[Values]) -> list[dict[str, Any]]:
    """Steps as they are kept: new ones get an id, those that stay keep theirs and their kind; raises `BadSteps`."""
    kinds = {step["id"]: step["kind"] for step in known}
    ids = [step["id"] for step in steps if step.get("id")]
    for number, step in enumerate(steps):
        if step.get("id") and kinds.get(step["id"]) != step["kind"]:
            raise _bad(number, "id", "no step of this sequence and kind has this id")
        if step.get("id") and ids.count(step["id"]) > 1:
            raise _bad(number, "id", "this step is there twice")
    first = next((number for number, step in enumerate(steps) if step["kind"] == "email"), None)
    if first is not None and not steps[first].get("subject"):
        raise _bad(first, "subject", "the first email answers nothing, and needs a subject")
    return [STEP | step | {"id": step.get("id") or new_id()} for step in steps]


def _bad(number: int, name: str, message: str) -> BadSteps:
    return BadSteps(
        "Some steps are not valid.",
        errors=[{"field": f"body.steps.{number}.{name}", "code": "bad_steps", "message": message}],
    )
