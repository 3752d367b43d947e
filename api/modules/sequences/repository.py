"""Statements about sequences, enrolments, mailboxes and suppressed addresses of one tenant."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import case, delete, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from api.records.bulk import among
from api.records.repository import missing, rendered
from bevyly.db.schema import (
    Account,
    Activity,
    Contact,
    Customer,
    Lead,
    SequenceEnrolment,
    SequenceMailbox,
    SequenceStepRun,
    Suppression,
    SuppressionMark,
    User,
)
from bevyly.db.schema import Sequence as SequenceRow
from bevyly.db.schema.sequences import RUNNING
from bevyly.ids import is_id, new_id
from bevyly.privacy.marks import Marks

Values = dict[str, Any]


class SequenceRepository:
    """Sequences and what belongs to them. Locked in this order everywhere: sequences, users, people, enrolments."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def lock(self, sequence_id: str, *, deleted: bool = False, shared: bool = False) -> SequenceRow:
        """The sequence, held until the unit of work ends, for oneself or with others; raises `NotFound`."""
        table = SequenceRow
        gone = table.deleted_at.is_not(None) if deleted else table.deleted_at.is_(None)
        statement = select(table).where(table.customer_id == self.customer_id, table.id == sequence_id, gone)
        row = await self.session.scalar(statement.with_for_update(read=shared)) if is_id(sequence_id) else None
        if row is None:
            raise missing("sequence")
        return row

    async def lock_enrolment(self, enrolment_id: str) -> SequenceEnrolment:
        """The enrolment, held until the unit of work ends; raises `NotFound`."""
        table = SequenceEnrolment
        statement = select(table).where(table.customer_id == self.customer_id, table.id == enrolment_id)
        row = await self.session.scalar(statement.with_for_update()) if is_id(enrolment_id) else None
        if row is None:
            raise missing("sequence_enrolment")
        return row

    async def sequence(self, sequence_id: str) -> SequenceRow | None:
        """A sequence as it is, deleted or not."""
        return await self.session.get(SequenceRow, (self.customer_id, sequence_id))

    async def tenant(self) -> Customer:
        """The tenant, for its zone and working hours."""
        return (await self.session.scalars(select(Customer).where(Customer.id == self.customer_id))).one()

    async def user(self, user_id: str) -> User | None:
        """A user, who is not disabled meanwhile."""
        statement = select(User).where(User.customer_id == self.customer_id, User.id == user_id)
        return await self.session.scalar(statement.with_for_update(read=True, key_share=True))

    async def move_on(self, sequence_id: str, removed: str, step: Values | None, now: Any) -> None:
        """Let those who wait for a step that is gone wait for the next one, or come to their end."""
        table = SequenceEnrolment
        # who waits for a task, waits on
        at_once = {"next_at": case((table.waiting_for.is_(None), now))} if step is None else {}
        await self.session.execute(
            update(table)
            .where(
                table.customer_id == self.customer_id,
                table.sequence_id == sequence_id,
                table.step_id == removed,
                table.status.in_(RUNNING),
            )
            .values(
                step_id=step["id"] if step else None,
                next_kind=step["kind"] if step else "end",
                version=table.version + 1,
                updated_at=now,
                **at_once,
            )
            .execution_options(synchronize_session=False)
        )

    async def others(self, ids: Collection[str], addresses: Collection[str]) -> Sequence[SequenceEnrolment]:
        """Enrolments of these people, or of these addresses while they run, in sequences that were not deleted."""
        table = SequenceEnrolment
        same = or_(
            among(table.contact_id, ids),
            among(table.lead_id, ids),
            among(table.address, addresses) & table.status.in_(RUNNING),
        )
        statement = (
            select(table)
            .join(SequenceRow, (SequenceRow.customer_id == table.customer_id) & (SequenceRow.id == table.sequence_id))
            .where(table.customer_id == self.customer_id, SequenceRow.deleted_at.is_(None), same)
        )
        return (await self.session.scalars(statement)).all()

    async def suppressed(self, addresses: Collection[str], marks: Marks) -> dict[str, str]:
        """Why which of these addresses is not written to; `marks` know those of people who were erased."""
        by_mark = {mark: address for address in addresses for mark in marks.all(self.customer_id, address)}
        kept = await self.session.execute(
            select(SuppressionMark.mark, SuppressionMark.reason).where(
                SuppressionMark.customer_id == self.customer_id, among(SuppressionMark.mark, by_mark)
            )
        )
        found = {by_mark[str(mark)]: str(reason) for mark, reason in kept}
        table = Suppression
        rows = await self.session.execute(
            select(table.email, table.reason).where(
                table.customer_id == self.customer_id, among(table.email, addresses)
            )
        )
        return found | {str(email): str(reason) for email, reason in rows}

    async def forget_marks(self, marks: Collection[str]) -> None:
        """Let an address be written to again that somebody had who was erased."""
        table = SuppressionMark
        await self.session.execute(delete(table).where(table.customer_id == self.customer_id, among(table.mark, marks)))

    async def suppress(self, email: str, reason: str, *, enrolment_id: str | None, now: Any) -> str | None:
        """Never write to an address again; the id of the new row, or None where that was so before."""
        values = {"customer_id": self.customer_id, "id": new_id(), "email": email, "reason": reason}
        statement = upsert(Suppression).values(values | {"enrolment_id": enrolment_id, "created_at": now})
        return await self.session.scalar(statement.on_conflict_do_nothing().returning(Suppression.id))

    async def suppression(self, suppression_id: str) -> Suppression:
        """A suppressed address; raises `NotFound`."""
        table = Suppression
        statement = select(table).where(table.customer_id == self.customer_id, table.id == suppression_id)
        row = await self.session.scalar(statement.with_for_update()) if is_id(suppression_id) else None
        if row is None:
            raise missing("suppression")
        return row

    async def suppression_of(self, email: str) -> str:
        """The id of the row of an address that is suppressed."""
        table = Suppression
        statement = select(table.id).where(table.customer_id == self.customer_id, table.email == email)
        return (await self.session.scalars(statement)).one()

    async def mailbox(self, user_id: str) -> SequenceMailbox:
        """How much one user's sequences may send, held; made where there was none."""
        values = {"customer_id": self.customer_id, "user_id": user_id}
        await self.session.execute(upsert(SequenceMailbox).values(values).on_conflict_do_nothing())
        table = SequenceMailbox
        statement = select(table).where(table.customer_id == self.customer_id, table.user_id == user_id)
        return (await self.session.scalars(statement.with_for_update())).one()

    async def run_of_link(self, token_hash: str) -> SequenceStepRun | None:
        """The mail whose link has this hash."""
        table = SequenceStepRun
        return await self.session.scalar(
            select(table).where(table.customer_id == self.customer_id, table.unsubscribe_hash == token_hash)
        )

    async def address_of(self, enrolment_id: str) -> str:
        """Where the mails of an enrolment go."""
        table = SequenceEnrolment
        statement = select(table.address).where(table.customer_id == self.customer_id, table.id == enrolment_id)
        return (await self.session.scalars(statement)).one()

    async def contacts(self, ids: Collection[str]) -> dict[str, tuple[Contact, Account | None]]:
        """Contacts with their accounts; their keys stay what they are until the unit of work ends."""
        table = Contact
        statement = (
            select(table, Account)
            .outerjoin(Account, (Account.customer_id == table.customer_id) & (Account.id == table.account_id))
            .where(table.customer_id == self.customer_id, among(table.id, ids))
            .order_by(table.id)
            .with_for_update(read=True, key_share=True, of=table)
        )
        return {contact.id: (contact, account) for contact, account in await self.session.execute(statement)}

    async def leads(self, ids: Collection[str]) -> dict[str, Lead]:
        """Leads, held in the same way."""
        table = Lead
        statement = (
            select(table)
            .where(table.customer_id == self.customer_id, among(table.id, ids))
            .order_by(table.id)
            .with_for_update(read=True, key_share=True)
        )
        return {lead.id: lead for lead in await self.session.scalars(statement)}

    async def last_emails(self, enrolment_ids: Collection[str]) -> dict[str, Any]:
        """The email that was sent last for each enrolment: its message id, subject and thread."""
        run = SequenceStepRun
        rows = await self.session.execute(
            select(run.enrolment_id, run.message_id, Activity.subject, Activity.thread_id)
            .join(Activity, (Activity.customer_id == run.customer_id) & (Activity.id == run.activity_id))
            .where(run.customer_id == self.customer_id, among(run.enrolment_id, enrolment_ids), run.kind == "email")
            .order_by(run.enrolment_id, run.executed_at)
        )
        return {row.enrolment_id: row for row in rows}  # the last of several is the latest

    async def pause_sender(self, user_id: str, now: Any) -> None:
        """Do nothing more in the name of a user."""
        table = SequenceEnrolment
        await self.session.execute(
            update(table)
            .where(table.customer_id == self.customer_id, table.sender_id == user_id, table.status == "active")
            .values(status="paused", reason="sender_disabled", version=table.version + 1, updated_at=now)
            .execution_options(synchronize_session=False)
        )

    async def follow(self, lead_id: str, contact_id: str, now: Any) -> None:
        """Let the enrolments of a lead go on with the contact that it became, unless the contact runs there itself."""
        table, other = SequenceEnrolment, aliased(SequenceEnrolment)
        there = (
            select(other.id)
            .where(
                other.customer_id == table.customer_id,
                other.sequence_id == table.sequence_id,
                other.contact_id == contact_id,
                other.status.in_(RUNNING),
            )
            .exists()
        )
        await self.session.execute(
            update(table)
            .where(table.customer_id == self.customer_id, table.lead_id == lead_id, table.status.in_(RUNNING), ~there)
            .values(contact_id=contact_id, version=table.version + 1, updated_at=now)
            .execution_options(synchronize_session=False)
        )

    async def settle_tasks(self, outcomes: dict[str, str], now: Any) -> None:
        """Note of steps how their task (by its id) ended."""
        table = SequenceStepRun
        for outcome in set(outcomes.values()):
            ids = [id_ for id_, one in outcomes.items() if one == outcome]
            await self.session.execute(
                update(table)
                .where(table.customer_id == self.customer_id, among(table.activity_id, ids), table.outcome == "open")
                .values(outcome=outcome, settled_at=now)
                .execution_options(synchronize_session=False)
            )

    async def waiting_for(self, activity_ids: Collection[str]) -> Sequence[tuple[SequenceEnrolment, SequenceRow]]:
        """Enrolments that wait for one of these tasks, held, with their sequences."""
        table = SequenceEnrolment
        statement = (
            select(table, SequenceRow)
            .join(SequenceRow, (SequenceRow.customer_id == table.customer_id) & (SequenceRow.id == table.sequence_id))
            .where(
                table.customer_id == self.customer_id,
                among(table.waiting_for, activity_ids),
                table.status.in_(RUNNING),
            )
            .order_by(table.id)
            .with_for_update(of=table)
        )
        return [(one, sequence) for one, sequence in await self.session.execute(statement)]

    async def add(self, table: type[Any], rows: Sequence[Values]) -> None:
        """Store new rows of one table."""
        if rows:
            await self.session.execute(insert(table), [{"customer_id": self.customer_id} | row for row in rows])

    async def rendered(self, kind: str, row_id: str) -> bytes:
        """A row as the reads of `kind` answer it."""
        return await rendered(self.session, kind, self.customer_id, row_id)
