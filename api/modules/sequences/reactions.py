"""What enrolments make of changes elsewhere, in the transaction of the change, whichever route or process made it.

The events that a unit of work is about to publish say what happened: an answer, a meeting, a person who is gone, a lead
that was converted, a task that is done, a sender who may not come in any more. Nothing is asked where there is none.
"""

from dataclasses import dataclass, field

from api.modules.sequences.repository import SequenceRepository
from api.modules.sequences.stopping import OF_CONTACTS, OF_LEADS, Moment, Stops
from api.modules.sequences.timing import due, sending_hours
from bevyly.db.unit_of_work import UnitOfWork
from bevyly.events.envelope import Event

_ANSWERS = ("email.received", "meeting.scheduled", "meeting.completed")
_LINKED = ("activity.updated", "activity.restored")


@dataclass
class _Happened:
    """What the events of one unit of work say that is of interest here."""

    moment: Moment
    answers: list[str] = field(default_factory=list)
    tasks: dict[str, str] = field(default_factory=dict)
    gone: dict[str, list[str]] = field(default_factory=lambda: {"contact": [], "lead": []})
    converted: dict[str, str | None] = field(default_factory=dict)
    disabled: list[str] = field(default_factory=list)

    @property
    def matters(self) -> bool:
        return any((self.answers, self.tasks, *self.gone.values(), self.converted, self.disabled))

    def add(self, event: Event) -> None:
        """Take in one event."""
        data, subject = event.data, event.subject_id
        if event.type in _ANSWERS or (event.type in _LINKED and _is_answer(event)):
            self.answers.append(subject)
        elif event.type == "task.completed":
            self.tasks[subject] = "completed"
        elif event.type == "activity.deleted" and data["kind"] == "task":
            self.tasks[subject] = "skipped"
        elif event.type in ("contact.deleted", "lead.deleted"):
            self.gone[event.subject_type].append(subject)
        elif event.type == "lead.converted":
            self.converted[subject] = data.get("contact_id")
        elif event.type == "user.disabled":
            self.disabled.append(subject)


def _is_answer(event: Event) -> bool:
    kind, direction = str(event.data["kind"]), str(event.data["direction"])
    return kind == "meeting" or (kind, direction) == ("email", "inbound")


async def react(work: UnitOfWork) -> None:
    """Let enrolments follow what the unit of work did."""
    last = work.events[-1]
    happened = _Happened(Moment(last.recorded_time, request_id=last.correlation_id))
    for event in work.events:
        happened.add(event)
    if happened.matters:
        async with work.see_everything():
            await _follow(work, happened)


async def _follow(work: UnitOfWork, happened: _Happened) -> None:
    sequences, stops, moment = SequenceRepository(work.session, work.customer_id), Stops(work), happened.moment
    for lead_id, contact_id in happened.converted.items():
        if contact_id is not None:
            await sequences.follow(lead_id, contact_id, moment.at)
    if happened.converted:
        await stops.where(OF_LEADS, "converted", moment, values=list(happened.converted))
    for kind, condition in (("contact", OF_CONTACTS), ("lead", OF_LEADS)):
        if happened.gone[kind]:
            await stops.where(condition, "person_deleted", moment, values=happened.gone[kind])
    if happened.answers:
        await stops.answered(happened.answers, moment)
    for user_id in happened.disabled:
        await sequences.pause_sender(user_id, moment.at)
    if happened.tasks:
        await _go_on(sequences, happened)


async def _go_on(sequences: SequenceRepository, happened: _Happened) -> None:
    """The task of a step is done, or nobody's any more: the next step is due when its wait is over."""
    await sequences.settle_tasks(happened.tasks, happened.moment.at)
    waiting = await sequences.waiting_for(happened.tasks)
    if not waiting:
        return
    tenant = await sequences.tenant()
    for row, sequence in waiting:
        hours = sending_hours(sequence.send_window, tenant.timezone, tenant.settings.get("working_hours"))
        step = next((one for one in sequence.steps if one["id"] == row.step_id), None)
        row.next_at = due(hours, step, happened.moment.at) if step is not None else happened.moment.at
        row.waiting_for, row.version, row.updated_at = None, row.version + 1, happened.moment.at
