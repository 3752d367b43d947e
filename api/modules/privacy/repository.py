"""Statements about requests of people."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.modules.privacy.errors import BeingWorkedOn
from api.records.repository import missing
from bevyly.db.schema import Contact, Lead, PrivacyRequest
from bevyly.db.unit_of_work import driver_of, flush
from bevyly.ids import is_id

OPEN = ("queued", "previewed", "confirmed")


class PrivacyRepository:
    """Requests of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def lock(self, request_id: str) -> PrivacyRequest:
        """The request, held until the unit of work ends; raises `NotFound`, or `BeingWorkedOn` where a worker has it.

        Work may take minutes: nobody waits for it.
        """
        table = PrivacyRequest
        if not is_id(request_id):
            raise missing("privacy_request")
        there = (table.customer_id == self.customer_id, table.id == request_id)
        row = await self.session.scalar(select(table).where(*there).with_for_update(skip_locked=True))
        if row is not None:
            return row
        if await self.session.scalar(select(exists().where(*there))):
            raise BeingWorkedOn("The request is being worked on. Ask again when its status has changed.")
        raise missing("privacy_request")

    async def open(self, kind: str, mark: str) -> PrivacyRequest | None:
        """The request of this kind for the same person that has not come to its end. One caller at a time asks."""
        turn = func.pg_advisory_xact_lock(func.hashtextextended(f"{self.customer_id}:{kind}:{mark}", 0))
        await self.session.execute(select(turn))
        table = PrivacyRequest
        statement = select(table).where(
            table.customer_id == self.customer_id, table.kind == kind, table.mark == mark, table.status.in_(OPEN)
        )
        return await self.session.scalar(statement)

    async def has(self, table: type[Contact | Lead], record_id: str) -> bool:
        """Whether there is such a record, deleted or not."""
        there = exists().where(table.customer_id == self.customer_id, table.id == record_id)
        return bool(await self.session.scalar(select(there)))

    async def run(self, statements: Iterable[str], parameters: dict[str, Any]) -> int:
        """Execute statements one after the other; how many rows the last one changed."""
        await flush(self.session)
        changed = 0
        for statement in statements:
            changed = (await driver_of(self.session).execute(statement.encode(), parameters)).rowcount
        return changed
