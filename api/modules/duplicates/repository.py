"""Statements of duplicates: candidates of a record by its keys, and pairs that are known not to be the same."""

from collections.abc import Collection, Iterable
from typing import Any

import orjson
from sqlalchemy import ARRAY, Text, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.records.repository import MERGEABLE
from bevyly.db.schema import DuplicateDismissal
from bevyly.db.unit_of_work import driver_of


class DuplicateRepository:
    """Duplicates among the rows of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str, kind: str) -> None:
        self.session = session
        self.customer_id = customer_id
        self.kind = kind
        self.table: Any = MERGEABLE[kind]

    async def surely(self, record_id: str) -> bool:
        """Whether a strong key of a stored record is another one's too.

        Waits for others with the same domain or mailbox, so that of two at once the second sees the first.
        """
        statement = f"select sure from api_has_sure_duplicates_{self.kind}(%s, %s)".encode()
        row = await (await driver_of(self.session).execute(statement, (self.customer_id, record_id))).fetchone()
        return bool(row and row[0])

    async def of(self, record_id: str) -> dict[str, Any] | None:
        """A stored record and what shares a key with it, in the form that scores read."""
        statement = f"select body from api_find_duplicates_{self.kind}(%s, %s)".encode()
        row = await (await driver_of(self.session).execute(statement, (self.customer_id, record_id))).fetchone()
        return None if row is None or row[0] is None else dict(orjson.loads(row[0]))

    async def living(self, ids: Collection[str]) -> set[str]:
        """Which of `ids` are there."""
        table = self.table
        wanted = table.id == func.any(literal(sorted(ids), ARRAY(Text)))
        statement = select(table.id).where(table.customer_id == self.customer_id, table.deleted_at.is_(None), wanted)
        return set(await self.session.scalars(statement))

    async def dismiss(self, pairs: Iterable[tuple[str, str]], *, by: str) -> list[tuple[str, str]]:
        """Remember pairs (smaller id first) that are not the same; those that were not known, in order."""
        rows = [
            {"customer_id": self.customer_id, "kind": self.kind, "first_id": one, "second_id": two, "dismissed_by": by}
            for one, two in pairs
        ]
        table = DuplicateDismissal
        statement = insert(table).values(rows).on_conflict_do_nothing().returning(table.first_id, table.second_id)
        return sorted((one, two) for one, two in await self.session.execute(statement))
