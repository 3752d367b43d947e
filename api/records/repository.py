"""Statements that every record of the CRM needs: lock one, see one as it is answered, know what was merged away."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import ReferenceNotFound
from bevyly.db.schema import Account, Activity, Contact, Lead, Opportunity
from bevyly.db.unit_of_work import driver_of, flush, work_of
from bevyly.errors import BevylyError, Conflict, NotFound
from bevyly.ids import is_id

Record = TypeVar("Record", Account, Contact, Opportunity, Lead, Activity)
"""A table of the CRM: its rows have a version and can be deleted softly."""

MERGEABLE: dict[str, type[Account | Contact | Lead]] = {"account": Account, "contact": Contact, "lead": Lead}
"""Kinds of records that can be merged; a field `<kind>_id` refers to one."""


class RecordMerged(Conflict):
    """The record was merged into another one, which the context names."""

    code = "record_merged"


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
        if row is None or (deleted and getattr(row, "merged_into", None) is not None):
            raise await why_missing(self.session, self.kind, self.customer_id, record_id)
        return row

    async def require_visible(self, references: dict[str, str]) -> None:
        """Raise `ReferenceNotFound` for what is out of sight: a foreign key finds it all the same.

        `references` holds ids by their field, such as `account_id`.
        """
        for field, record_id in references.items():
            sees = func.sees_record(self.customer_id, field.removesuffix("_id"), record_id)
            if not await self.session.scalar(select(sees)):
                raise ReferenceNotFound.of(field)

    async def require_living(self, references: Iterable[tuple[str, str | None]]) -> None:
        """Raise `RecordMerged` where one of `references` (field, id) is a record that was merged away.

        They are stored by then: their foreign keys have waited for a merge under way, and hold off others.
        """
        await require_living(self.session, self.customer_id, references)

    async def told(self, record_id: str, *, compared: bool) -> tuple[bool, bytes]:
        """Whether a new record, if it is `compared`, is surely there already, and the record as every read answers it.

        Waits for others with the same domain or mailbox, so that of two at once the second sees the first.
        """
        row = await work_of(self.session).tell(f"api_tell_{self.kind}", self.customer_id, record_id, compared)
        sure, body = row
        return sure, str(body).encode()

    async def rendered(self, record_id: str) -> bytes:
        """The record as every read answers it, with what this unit of work changed."""
        return await rendered(self.session, self.kind, self.customer_id, record_id)


async def rendered(session: AsyncSession, kind: str, customer_id: str, record_id: str) -> bytes:
    """The row as the reads of `kind` answer it, with what its unit of work changed; asked last, with what it tells."""
    row = await work_of(session).ask(f"select body from api_get_{kind}(%s, %s)".encode(), (customer_id, record_id))
    assert row is not None
    return str(row[0]).encode()


async def require_living(session: AsyncSession, customer_id: str, references: Iterable[tuple[str, str | None]]) -> None:
    """Raise `RecordMerged` for one of the stored `references` (field, id) whose record was merged away."""
    asked = [
        (field, table.__tablename__, id_)
        for field, id_ in references
        if id_ is not None and (table := MERGEABLE.get(field.removesuffix("_id"))) is not None
    ]
    if not asked:
        return
    await flush(session)
    parts = [
        f"select '{field}', merged_into from {table} where (customer_id, id) = (%s, %s) and merged_into is not null"
        for field, table, _ in asked
    ]
    parameters = [value for _, _, id_ in asked for value in (customer_id, id_)]
    row = await (await driver_of(session).execute(" union all ".join(parts).encode(), parameters)).fetchone()
    if row is not None:
        field, survivor = row
        raise merged_away(field.removesuffix("_id"), survivor, errors=[{"field": f"body.{field}", "code": "merged"}])


async def why_missing(session: AsyncSession, kind: str, customer_id: str, record_id: str) -> BevylyError:
    """The error for a record that is not there to be changed: merged into another one, or simply missing."""
    table = MERGEABLE.get(kind)
    if table is None or not is_id(record_id):
        return missing(kind)
    statement = select(table.merged_into).where(table.customer_id == customer_id, table.id == record_id)
    survivor = await session.scalar(statement)
    return missing(kind) if survivor is None else merged_away(kind, survivor)


def merged_away(kind: str, survivor: str, **context: object) -> RecordMerged:
    """The error that names the record which took another one's place."""
    return RecordMerged(f"This {kind} was merged into another one.", merged_into=survivor, **context)


def missing(kind: str) -> NotFound:
    """One answer for a record that is missing, deleted or another tenant's."""
    return NotFound(f"There is no such {kind.replace('_', ' ')}.")
