"""Doing what is due for some enrolments of one tenant, in one unit of work: all of it takes effect, or nothing.

A step is done with its activity, its mail, its events and the way to the next step in one transaction; who holds an
enrolment does it, others pass it by. So a step is done once, and a process that dies has done it or not begun. An
answer is looked for under the lock of the enrolment: who records one later finds the step done, and stops the rest.
"""

from collections.abc import Sequence as Rows
from datetime import datetime, timedelta

from api.dependencies.principal import Principal
from api.dependencies.work import WriteContext
from api.modules.activities.service import ActivityService
from api.modules.activities.threads import subject_key
from api.modules.calendar.hours import Hours
from api.modules.sequences.enrolling import address_of
from api.modules.sequences.holding import Held, Holding, count, may_send
from api.modules.sequences.letters import MAX_SUBJECT, Fields, Letters, Sent, fields_of
from api.modules.sequences.repository import SequenceRepository
from api.modules.sequences.stopping import Moment, Stops
from api.modules.sequences.templates import MissingValue, rendered
from api.modules.sequences.timing import due, opening
from api.permissions import permissions_of
from api.records.bulk import BulkRepository
from api.records.held import Batch, HeldParticipants, HeldRecords, HeldWork
from api.records.trail import Values
from bevyly.clock import Clock
from bevyly.db.schema import Activity, Sequence, SequenceEnrolment, SequenceStepRun, User
from bevyly.db.unit_of_work import UnitOfWork
from bevyly.ids import new_id
from bevyly.privacy.marks import Marks

PATIENCE = timedelta(days=7)
"""How long after a last email an answer to it still counts, before the enrolment is finished."""


class StepActivities(ActivityService):
    """Activities of steps: an email begins a thread, or belongs to that of the one before; nobody is looked up."""

    async def _settle(self, row: Activity) -> None:
        if row.kind == "email":
            row.thread_id, row.subject_key = row.thread_id or row.id, subject_key(row.subject)
        self.known.add(row.id, self.participants)

    async def _contacts_of(self, emails: set[str]) -> dict[str, str]:
        return {}


class Execution:
    """Does what is due for enrolments of one tenant."""

    def __init__(self, work: UnitOfWork, clock: Clock, letters: Letters, marks: Marks) -> None:
        self._work, self._clock, self._letters = work, clock, letters
        self._now = clock.now()
        self._holding = Holding(work.session, work.customer_id, self._now, marks)
        self._repository = SequenceRepository(work.session, work.customer_id)
        self._stops = Stops(work)
        self._batch = Batch(HeldWork(work.session, work.customer_id))
        self._stopped: dict[str, str | None] = {}
        self._finished: dict[str, str | None] = {}
        self._runs: list[Values] = []
        self._mails: list[Sent] = []

    async def of(self, ids: Rows[str]) -> int:
        """Do what is due for those of these enrolments that nobody else holds; for how many something was done."""
        with self._work.session.no_autoflush:
            held = await self._holding.due(ids)
            self._stopped |= await self._stops.evidence([row.id for row in held.enrolments])
            done = 0
            for row in held.enrolments:
                done += row.id in self._stopped or await self._one(row, held)
            await self._write()
        return done

    async def _one(self, row: SequenceEnrolment, held: Held) -> bool:
        sequence, sender, (person, account) = held.sequences.get(row.sequence_id), row.sender_id, held.person(row)
        if sequence is not None and sequence.deleted_at is not None:
            self._stopped[row.id] = "sequence_deleted"
            return True
        due_now = row.status == "active" and row.next_at is not None and row.next_at <= self._now
        if sequence is None or person is None or sequence.status != "active" or not due_now:
            return False
        if row.next_kind == "end":
            self._finished[row.id] = None
        elif (reason := held.why_not(person)) is not None:
            self._stopped[row.id] = reason
        elif held.senders[sender].disabled_at is not None:
            self._pause(row, "sender_disabled")
        else:
            fields = fields_of(person, account, held.senders[sender])
            return await self._in_hours(row, sequence, held, fields)
        return True

    async def _in_hours(self, row: SequenceEnrolment, sequence: Sequence, held: Held, fields: Fields) -> bool:
        hours = held.hours(sequence)
        opens, closes = opening(hours, self._now)
        if opens > self._now:
            row.next_at = opens
            return True
        place = next(n for n, step in enumerate(sequence.steps) if step["id"] == row.step_id)
        step, mailbox = sequence.steps[place], held.mailboxes.get(row.sender_id)
        if step["kind"] == "email" and (mailbox is None or not may_send(mailbox, held.tenant, self._now)):
            return False
        try:
            words = {name: rendered(step[name], fields) for name in ("subject", "body") if step[name] is not None}
            words |= {"subject": words["subject"][:MAX_SUBJECT]} if "subject" in words else {}
            await self._do(row, step["kind"], held, words, closes)
        except MissingValue:
            self._pause(row, "missing_value")
            return True
        following = sequence.steps[place + 1] if place + 1 < len(sequence.steps) else None
        self._advance(row, following, hours)
        return True

    async def _do(self, row: SequenceEnrolment, kind: str, held: Held, words: Values, closes: datetime) -> None:
        person, account = held.person(row)
        sender = held.senders[row.sender_id]
        about = {name: getattr(row, name) for name in ("contact_id", "lead_id")} | {
            "account_id": account.id if account is not None else None,
            "owner_id": sender.id,
            "custom": {},
        }
        if kind == "email":
            assert person is not None
            row.address = address_of(person) or row.address
            sent = self._letters.write(person, sender, words, held.emails.get(row.id), closes)
            activity = await self._activities(row, sender).create(about | sent.activity)
            self._mails.append(sent)
            self._run(row, kind, "queued", activity, address=row.address, **sent.kept)
            count(held.mailboxes[sender.id], held.tenant, self._now)
        else:
            values = about | {"kind": "task", "body": None, "due_at": self._now} | words
            activity = await self._activities(row, sender).create(values)
            self._run(row, kind, "open", activity)
            row.waiting_for = activity.id

    def _activities(self, row: SequenceEnrolment, sender: User) -> StepActivities:
        """The service of activities in the name of a sender; the audit says that a sequence did it."""
        customer_id = self._work.customer_id
        who = Principal(
            customer_id=customer_id,
            user_id=sender.id,
            email=sender.email,
            role=sender.role,
            permissions=permissions_of(sender.role),
            actor_type="sequence",
            actor_id=row.sequence_id,
        )
        service = StepActivities(WriteContext(self._batch.work, who, self._clock, None))
        service.records = HeldRecords(self._batch, table=Activity, kind="activity")
        service.known = HeldParticipants(self._batch)
        return service

    def _run(self, row: SequenceEnrolment, kind: str, outcome: str, activity: Activity, **kept: str | None) -> None:
        run = dict.fromkeys(("mail_id", "message_id", "address", "unsubscribe_hash")) | kept
        run |= {"id": new_id(), "enrolment_id": row.id, "step_id": row.step_id, "kind": kind, "outcome": outcome}
        self._runs.append(run | {"activity_id": activity.id, "executed_at": self._now})

    def _advance(self, row: SequenceEnrolment, step: Values | None, hours: Hours) -> None:
        """To the next step; an open task comes before it. After the last there is time for an answer."""
        row.step_id, row.next_kind = (step["id"], step["kind"]) if step else (None, "end")
        row.next_at = due(hours, step, self._now) if step else self._now + PATIENCE
        if row.waiting_for is not None:
            row.next_at = None
        row.version, row.updated_at = row.version + 1, self._now

    def _pause(self, row: SequenceEnrolment, reason: str) -> None:
        row.status, row.reason = "paused", reason
        row.version, row.updated_at = row.version + 1, self._now

    async def _write(self) -> None:
        session, customer_id, moment = self._work.session, self._work.customer_id, Moment(self._now)
        await BulkRepository(session, customer_id).write_records(self._batch)
        for event in self._batch.work.events:
            self._work.emit(event)
        await self._repository.add(SequenceStepRun, self._runs)
        for sent in self._mails:
            await self._letters.queue(session, customer_id, sent, now=self._now)
        await session.flush()
        await self._stops.end(self._stopped, moment)
        await self._stops.end(self._finished, moment, status="finished")
