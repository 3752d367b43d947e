"""Enrolling people, many at once: what must be known is asked in a few statements, and written in a few more.

The people are held meanwhile, so that of two calls with the same person one sees what the other did.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from api.dependencies.work import WriteContext
from api.modules.sequences.errors import SequenceNotActive
from api.modules.sequences.repository import SequenceRepository
from api.modules.sequences.service import SequenceService
from api.modules.sequences.timing import due, sending_hours
from api.records.bulk import BulkRepository
from api.records.held import Batch, HeldWork
from api.records.trail import Trail, Values
from bevyly.db.schema import Contact, Lead, Sequence, SequenceEnrolment
from bevyly.db.schema.sequences import RUNNING
from bevyly.ids import new_id
from bevyly.privacy.marks import Marks

REFUSALS = {
    "not_found": "There is no such person.",
    "record_merged": "This person was merged into another one.",
    "lead_converted": "This lead was converted: enrol the contact.",
    "no_email": "This person has no email address.",
    "unsubscribed": "This person does not want mails.",
    "bounced": "Mails to this address come back.",
    "complained": "This person complained about a mail.",
    "suppressed": "This address is not to be written to.",
    "already_enrolled": "This person, or this address, is on the way through this sequence.",
    "in_another_sequence": "This person, or this address, is on the way through another sequence.",
    "enrolled_before": "This person went through this sequence before.",
}
PERSON = ("contact_id", "lead_id")


@dataclass
class Known:
    """What is known of the people of a call: their records by id, why not to write to them, where they are or were."""

    people: dict[str, Contact | Lead]
    suppressed: dict[str, str]
    running: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Sequences by person, and by address."""
    passed: set[str] = field(default_factory=set)


class Enrolling:
    """Lets people go through one sequence."""

    def __init__(self, context: WriteContext, marks: Marks) -> None:
        self.context = context
        self._marks = marks
        self.customer_id = context.principal.customer_id
        self.sequences = SequenceRepository(context.work.session, self.customer_id)

    async def enrol(self, sequence_id: str, people: list[Values], wanted: Values) -> list[Values]:
        """What became of each person; raises `NotFound`, `SequenceNotActive`, `NotYours` or `SenderDisabled`."""
        sequence = await self.sequences.lock(sequence_id, shared=True)
        if sequence.status != "active":
            raise SequenceNotActive("Only a sequence that is active takes people in.")
        principal = self.context.principal
        sender = await SequenceService(self.context).sender(wanted.get("sender_id") or principal.user_id)
        await self.sequences.mailbox(sender.id)
        known = await self._known(people, sequence)
        first = await self._first(sequence)
        results, rows = [], []
        for index, person in enumerate(people):
            id_ = person.get("contact_id") or person["lead_id"]
            code = _refusal(id_, known, sequence.id, wanted)
            if code is not None:
                problem = {"code": code, "detail": REFUSALS[code]}
                results.append({"index": index, "status": "refused", "problem": problem})
                continue
            row = self._row(person, address_of(known.people[id_]) or "", sequence, first)
            rows.append(row | {"sender_id": sender.id})
            for key in (id_, row["address"]):
                known.running[key].add(sequence.id)
            results.append({"index": index, "status": "enrolled", "id": row["id"]})
        await self._write(rows)
        return results

    async def _known(self, people: list[Values], sequence: Sequence) -> Known:
        ids = {kind: {one[f"{kind}_id"] for one in people if one.get(f"{kind}_id")} for kind in ("contact", "lead")}
        bulk = BulkRepository(self.context.work.session, self.customer_id)
        rows = await bulk.lock_records({kind: wanted for kind, wanted in ids.items() if wanted})
        found: dict[str, Any] = {row.id: row for row in rows}
        addresses = {address for row in found.values() if (address := address_of(row))}
        known = Known(found, await self.sequences.suppressed(addresses, self._marks))
        for other in await self.sequences.others(ids["contact"] | ids["lead"], addresses):
            keys = [key for key in (other.contact_id, other.lead_id) if key is not None]
            if other.status in RUNNING:
                for key in (*keys, other.address):
                    known.running[key].add(other.sequence_id)
            elif other.sequence_id == sequence.id:
                known.passed.update(keys)
        return known

    async def _first(self, sequence: Sequence) -> tuple[Values, datetime]:
        """The first step, and when it is due."""
        tenant, step = await self.sequences.tenant(), sequence.steps[0]
        hours = sending_hours(sequence.send_window, tenant.timezone, tenant.settings.get("working_hours"))
        return step, due(hours, step, self.context.clock.now())

    def _row(self, person: Values, address: str, sequence: Sequence, first: tuple[Values, datetime]) -> Values:
        step, at = first
        return {
            "id": new_id(),
            "sequence_id": sequence.id,
            **{name: person.get(name) for name in PERSON},
            "enrolled_by": self.context.principal.user_id,
            "address": address,
            "step_id": step["id"],
            "next_kind": step["kind"],
            "next_at": at,
            "created_at": self.context.clock.now(),
            "updated_at": self.context.clock.now(),
        }

    async def _write(self, rows: list[Values]) -> None:
        await self.sequences.add(SequenceEnrolment, rows)
        held = Batch(HeldWork(self.context.work.session, self.customer_id))
        trail = Trail(replace(self.context, work=held.work))
        for row in rows:
            subject, told = ("sequence_enrolment", row["id"]), {"enrolment_id": row["id"]}
            told |= {name: row[name] for name in ("sequence_id", *PERSON, "sender_id")}
            trail.audit("sequence_enrolment.created", subject, before={"status": None}, after=told)
            trail.emit("sequence.enrolled", subject, sequence=1, data=told)
        await BulkRepository(self.context.work.session, self.customer_id).write_records(held)
        for event in held.work.events:
            self.context.work.emit(event)


def address_of(person: Contact | Lead) -> str | None:
    """Where a mail to this person goes, in lower case."""
    email = person.email if isinstance(person, Contact) else person.contact_email
    return email.lower() if email else None


def _refusal(id_: str, known: Known, sequence_id: str, wanted: Values) -> str | None:
    """Why somebody is not enrolled, or None."""
    person = known.people.get(id_)
    if person is None or person.deleted_at is not None:
        return "record_merged" if getattr(person, "merged_into", None) is not None else "not_found"
    address = address_of(person)
    running = known.running[id_] | known.running[address or id_]
    reasons = {
        "lead_converted": isinstance(person, Lead) and person.converted_at is not None,
        "no_email": address is None,
        known.suppressed.get(address or "", "").replace("manual", "suppressed"): address in known.suppressed,
        "already_enrolled": sequence_id in running,
        "in_another_sequence": running and not wanted.get("allow_parallel"),
        "enrolled_before": id_ in known.passed and not wanted.get("allow_again"),
    }
    return next((code for code, holds in reasons.items() if holds), None)
