"""What the sequencer holds while it does what is due: each row under a lock, taken in one order everywhere.

Sequences (with others: no steps change meanwhile), senders and people (they stay who they are), mailboxes and
enrolments (alone). What somebody else has alone is passed by, so that nobody waits, and nothing is done twice.
"""

from collections.abc import Sequence as Rows
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.modules.calendar.hours import Hours
from api.modules.sequences.enrolling import address_of
from api.modules.sequences.repository import SequenceRepository
from api.modules.sequences.service import STOPPED_BY
from api.modules.sequences.timing import sending_hours
from api.records.bulk import among
from bevyly.db.schema import (
    Account,
    Contact,
    Customer,
    Lead,
    Sequence,
    SequenceEnrolment,
    SequenceMailbox,
    User,
)
from bevyly.db.schema.sequences import RUNNING
from bevyly.privacy.marks import Marks


@dataclass
class Held:
    """Everything that a batch holds or knows, by id."""

    tenant: Customer
    sequences: dict[str, Sequence]
    senders: dict[str, User]
    mailboxes: dict[str, SequenceMailbox]
    contacts: dict[str, tuple[Contact, Account | None]]
    leads: dict[str, Lead]
    enrolments: list[SequenceEnrolment]
    suppressed: dict[str, str] = field(default_factory=dict)
    emails: dict[str, Any] = field(default_factory=dict)

    def person(self, row: SequenceEnrolment) -> tuple[Contact | Lead | None, Account | None]:
        """Who is on the way, with their account; nobody where that became somebody else in this moment."""
        if row.contact_id is not None:
            return self.contacts.get(row.contact_id, (None, None))
        return self.leads.get(row.lead_id or ""), None

    def hours(self, sequence: Sequence) -> Hours:
        """When a sequence sends."""
        return sending_hours(sequence.send_window, self.tenant.timezone, self.tenant.settings.get("working_hours"))

    def why_not(self, person: Contact | Lead) -> str | None:
        """Why nothing is to be done for somebody any more, or None."""
        if person.deleted_at is not None:
            return "person_deleted"
        address = address_of(person)
        if address is None:
            return "no_email"
        return STOPPED_BY[self.suppressed[address]] if address in self.suppressed else None


class Holding:
    """Takes hold of enrolments of one tenant, and of what they need."""

    def __init__(self, session: AsyncSession, customer_id: str, now: datetime, marks: Marks) -> None:
        self._session = session
        self._customer_id = customer_id
        self._now = now
        self._marks = marks
        self._repository = SequenceRepository(session, customer_id)

    async def due(self, ids: Rows[str]) -> Held:
        """Those of these enrolments that run and that nobody else has."""
        table = SequenceEnrolment
        columns = (table.sequence_id, table.sender_id, table.contact_id, table.lead_id)
        ours = (table.customer_id == self._customer_id, among(table.id, ids), table.status.in_(RUNNING))
        asked = (await self._session.execute(select(*columns).where(*ours))).all()
        held = Held(
            tenant=await self._repository.tenant(),
            sequences=await self._all(Sequence, {row.sequence_id for row in asked}, read=True, skip_locked=True),
            senders=await self._all(User, {row.sender_id for row in asked}, read=True, key_share=True),
            mailboxes=await self._mailboxes({row.sender_id for row in asked}),
            contacts=await self._repository.contacts({row.contact_id for row in asked if row.contact_id}),
            leads=await self._repository.leads({row.lead_id for row in asked if row.lead_id}),
            enrolments=list((await self._all(table, set(ids), skip_locked=True)).values()),
        )
        held.enrolments = [row for row in held.enrolments if row.status in RUNNING]
        people = [person for row in held.enrolments if (person := held.person(row)[0]) is not None]
        held.suppressed = await self._repository.suppressed(
            {address for person in people if (address := address_of(person)) is not None}, self._marks
        )
        held.emails = await self._repository.last_emails([row.id for row in held.enrolments])
        return held

    async def _all(self, table: type[Any], ids: set[str], **lock: Any) -> dict[str, Any]:
        rows: Any = table
        statement = select(rows).where(rows.customer_id == self._customer_id, among(rows.id, ids))
        found: Any = await self._session.scalars(statement.order_by(rows.id).with_for_update(**lock))
        return {row.id: row for row in found}

    async def _mailboxes(self, user_ids: set[str]) -> dict[str, SequenceMailbox]:
        table = SequenceMailbox
        statement = select(table).where(table.customer_id == self._customer_id, among(table.user_id, user_ids))
        rows = await self._session.scalars(statement.order_by(table.user_id).with_for_update(skip_locked=True))
        return {row.user_id: row for row in rows}


def may_send(mailbox: SequenceMailbox, tenant: Customer, now: datetime) -> bool:
    """Whether one more email may leave now: the cap counts days as the tenant has them."""
    sent = mailbox.sent_count if mailbox.sent_on == _day(tenant, now) else 0
    return (mailbox.free_at is None or mailbox.free_at <= now) and sent < mailbox.daily_cap


def count(mailbox: SequenceMailbox, tenant: Customer, now: datetime) -> None:
    """One more email leaves now."""
    today = _day(tenant, now)
    mailbox.sent_count = mailbox.sent_count + 1 if mailbox.sent_on == today else 1
    mailbox.sent_on, mailbox.free_at = today, now + timedelta(seconds=mailbox.spacing_seconds)


def _day(tenant: Customer, now: datetime) -> Any:
    return now.astimezone(ZoneInfo(tenant.timezone)).date()
