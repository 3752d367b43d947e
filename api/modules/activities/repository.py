"""Statements about who took part in activities, and about the threads of emails."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from bevyly.db.schema import Activity, ActivityParticipant, Contact
from bevyly.ids import new_id

PERSON = ("contact_id", "user_id", "email", "role", "response")


class ParticipantRepository:
    """Participants of the activities of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def of(self, activity_id: str) -> list[dict[str, Any]]:
        """Who took part in one activity, as events tell it."""
        return [{name: one[name] for name in ("contact_id", "email", "role")} for one in await self.all(activity_id)]

    async def all(self, activity_id: str) -> list[dict[str, Any]]:
        """Who took part in one activity, with everything that is known of it."""
        table = ActivityParticipant
        rows = await self.session.execute(
            select(*(getattr(table, name) for name in PERSON))
            .where(table.customer_id == self.customer_id, table.activity_id == activity_id)
            .order_by(table.id)
        )
        return [dict(row) for row in rows.mappings()]

    def add(self, activity_id: str, people: Sequence[dict[str, Any]]) -> None:
        """Let `people` have taken part in an activity."""
        self.session.add_all(
            ActivityParticipant(customer_id=self.customer_id, id=new_id(), activity_id=activity_id, **one)
            for one in people
        )

    async def clear(self, activity_id: str) -> None:
        """Let nobody have taken part in an activity."""
        table = ActivityParticipant
        await self.session.execute(
            delete(table)
            .where(table.customer_id == self.customer_id, table.activity_id == activity_id)
            .execution_options(synchronize_session=False)
        )

    async def contacts_of(self, emails: Collection[str]) -> dict[str, str]:
        """The oldest contact that has each of these addresses, by the address in lower case."""
        address = func.lower(Contact.email)
        rows = await self.session.execute(
            select(address, Contact.id)
            .where(Contact.customer_id == self.customer_id, Contact.deleted_at.is_(None), address.in_(emails))
            .order_by(Contact.created_at.desc(), Contact.id.desc())
        )
        return {str(email): str(contact_id) for email, contact_id in rows}  # the last of several is the oldest


class ThreadRepository:
    """Which emails of one tenant belong together."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def one_at_a_time(self, name: str) -> None:
        """Wait for others who thread an email with this name, so that one conversation does not become two."""
        key = text("select pg_advisory_xact_lock(hashtextextended(:key, 0))")
        await self.session.execute(key, {"key": f"thread:{self.customer_id}:{name}"})

    async def by_message(self, message_id: str | None, ancestors: Collection[str]) -> list[str]:
        """Threads of the emails that an email answers, and of those that answer it; the oldest thread first."""
        related: list[ColumnElement[bool]] = [Activity.message_id.in_(ancestors)]
        if message_id is not None:
            related += [Activity.in_reply_to == message_id, Activity.message_id == message_id]
        rows = await self.session.scalars(
            select(Activity.thread_id)
            .where(Activity.customer_id == self.customer_id, Activity.thread_id.is_not(None), or_(*related))
            .group_by(Activity.thread_id)
            .order_by(func.min(Activity.occurred_at), Activity.thread_id)
        )
        return [thread for thread in rows if thread is not None]

    async def by_subject(
        self, subject: str, *, contacts: Collection[str], emails: Collection[str], since: datetime, until: datetime
    ) -> str | None:
        """The thread of the latest email with this subject and one of these people in a span of time."""
        person = ActivityParticipant
        took_part = (
            select(person.id)
            .where(
                person.customer_id == Activity.customer_id,
                person.activity_id == Activity.id,
                or_(person.contact_id.in_(contacts), func.lower(person.email).in_(emails)),
            )
            .exists()
        )
        return await self.session.scalar(
            select(Activity.thread_id)
            .where(
                Activity.customer_id == self.customer_id,
                Activity.subject_key == subject,
                Activity.occurred_at.between(since, until),
                Activity.thread_id.is_not(None),
                Activity.deleted_at.is_(None),
                or_(Activity.contact_id.in_(contacts), took_part),
            )
            .order_by(Activity.occurred_at.desc(), Activity.id.desc())
            .limit(1)
        )

    async def join(self, threads: Collection[str], into: str) -> None:
        """Make one thread of several."""
        await self.session.execute(
            update(Activity)
            .where(Activity.customer_id == self.customer_id, Activity.thread_id.in_(threads))
            .values(thread_id=into)
            .execution_options(synchronize_session=False)
        )
