"""Statements of merges: hold the records, re-point what refers to them, remember what was done."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Text, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.modules.merges.errors import NotMergeable
from api.modules.merges.references import Reference
from bevyly.db.schema import Merge

MOST_MOVED = 5_000
"""Rows of one table that may refer to one record that goes: a merge is one transaction, and must end in time."""


@dataclass(frozen=True)
class Moved:
    """A row that was re-pointed, and its version since then; rows without versions have 0."""

    id: str
    version: int


class MergeRepository:
    """What merges ask of the rows of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def lock(self, table: type[Any], ids: Collection[str]) -> dict[str, Any]:
        """Rows by id, deleted ones too, held until the unit of work ends; everywhere in the order of their ids."""
        rows: Any = table
        statement = (
            select(rows)
            .where(rows.customer_id == self.customer_id, rows.id == _any(ids))
            .order_by(rows.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        found: list[Any] = list(await self.session.scalars(statement))
        return {row.id: row for row in found}

    async def lock_merge(self, merge_id: str) -> Merge | None:
        """A merge, held until the unit of work ends."""
        statement = select(Merge).where(Merge.customer_id == self.customer_id, Merge.id == merge_id)
        found: Merge | None = await self.session.scalar(statement.with_for_update())
        return found

    async def repoint(
        self, reference: Reference, old: str, new: str, *, now: datetime, only: Sequence[str] | None = None
    ) -> list[Moved]:
        """Let rows that name `old` name `new`, all of them or those of `only` that still do; raises `NotMergeable`."""
        table: Any = reference.table
        column = getattr(table, reference.column)
        waiting = select(table.id).where(table.customer_id == self.customer_id, column == old)
        if only is not None:
            waiting = waiting.where(table.id == _any(only))
        waiting = waiting.order_by(table.id).limit(MOST_MOVED + 1).with_for_update()
        ids: list[str] = list(await self.session.scalars(waiting))
        if not ids:
            return []
        if len(ids) > MOST_MOVED:
            raise NotMergeable(f"More than {MOST_MOVED} rows of {table.__tablename__} refer to one of these records.")
        versioned = hasattr(table, "version")
        counted: dict[str, Any] = {"version": table.version + 1, "updated_at": now} if versioned else {}
        statement = (
            update(table)
            .where(table.customer_id == self.customer_id, table.id == _any(ids))
            .values({reference.column: new} | counted)
            .returning(table.id, table.version if versioned else literal(0))
            .execution_options(synchronize_session=False)
        )
        rows = (await self.session.execute(statement)).all()
        return sorted((Moved(row[0], row[1]) for row in rows), key=lambda row: row.id)


def _any(ids: Collection[str]) -> Any:
    return func.any(literal(sorted(ids), ARRAY(Text)))
