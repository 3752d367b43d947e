"""Statements that every record of the CRM needs: lock one, see one as it is answered."""

from typing import Generic, TypeVar

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import ReferenceNotFound
from bevyly.db.schema import Account, Activity, Contact, Lead, Opportunity
from bevyly.db.unit_of_work import driver_of, flush
from bevyly.errors import NotFound
from bevyly.ids import is_id

Record = TypeVar("Record", Account, Contact, Opportunity, Lead, Activity)
"""A table of the CRM: its rows have a version and can be deleted softly."""


class RecordRepository(Generic[Record]):
    """Rows of one table of the CRM, for one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str, *, table: type[Record], kind: str) -> None:
        self.session = session
        self.customer_id = customer_id
        self.table: type[Record] = table
        self.kind = kind

    async def lock(self, record_id: str, *, deleted: bool = False) -> Record:
        """The row, held until the unit of work ends; raises `NotFound`."""
        table = self.table
        gone = table.deleted_at.is_not(None) if deleted else table.deleted_at.is_(None)
        statement = select(table).where(table.customer_id == self.customer_id, table.id == record_id, gone)
        row: Record | None = await self.session.scalar(statement.with_for_update()) if is_id(record_id) else None
        if row is None:
            raise missing(self.kind)
        return row

    async def require_visible(self, references: dict[str, str]) -> None:
        """Raise `ReferenceNotFound` for what is out of sight: a foreign key finds it all the same.

        `references` holds ids by their field, such as `account_id`.
        """
        for field, record_id in references.items():
            sees = func.sees_record(self.customer_id, field.removesuffix("_id"), record_id)
            if not await self.session.scalar(select(sees)):
                raise ReferenceNotFound.of(field)

    async def rendered(self, record_id: str) -> bytes:
        """The record as every read answers it, with what this unit of work changed."""
        return await rendered(self.session, self.kind, self.customer_id, record_id)


async def rendered(session: AsyncSession, kind: str, customer_id: str, record_id: str) -> bytes:
    """The row as the reads of `kind` answer it, with what the session changed."""
    await flush(session)
    cursor = await driver_of(session).execute(
        f"select body from api_get_{kind}(%s, %s)".encode(), (customer_id, record_id)
    )
    row = await cursor.fetchone()
    assert row is not None
    return str(row[0]).encode()


def missing(kind: str) -> NotFound:
    """One answer for a record that is missing, deleted or another tenant's."""
    return NotFound(f"There is no such {kind.replace('_', ' ')}.")
