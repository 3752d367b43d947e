"""Statements of duplicates: candidates of a record by its keys, and pairs that are known not to be the same."""

from collections.abc import Collection, Iterable
from typing import Any

import orjson
from sqlalchemy import ARRAY, Text, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.records.repository import MERGEABLE
from bevyly.db.schema import Account, Contact, DuplicateDismissal, Lead

_STRONG: dict[str, Any] = {
    "account": Account.match_domain,
    "contact": Contact.match_email,
    "lead": Lead.match_email,
}


class DuplicateRepository:
    """Duplicates among the rows of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str, kind: str) -> None:
        self.session = session
        self.customer_id = customer_id
        self.kind = kind
        self.table: Any = MERGEABLE[kind]

    async def one_at_a_time(self, record_id: str) -> None:
        """Wait for others with the same domain or mailbox, so that of two at once the second sees the first."""
        key = literal(f"{self.kind}:{self.customer_id}:") + _STRONG[self.kind]
        await self.session.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))).where(
                self.table.customer_id == self.customer_id, self.table.id == record_id, _STRONG[self.kind].is_not(None)
            )
        )

    async def of(self, record_id: str) -> dict[str, Any] | None:
        """A stored record and what shares a key with it, in the form that scores read."""
        found = getattr(func, f"api_find_duplicates_{self.kind}")(self.customer_id, record_id)
        body = await self.session.scalar(select(literal_column("body")).select_from(found))
        return None if body is None else dict(orjson.loads(body))

    async def living(self, ids: Collection[str]) -> set[str]:
        """Which of `ids` are there."""
        table = self.table
        wanted = table.id == func.any(literal(sorted(ids), ARRAY(Text)))
        statement = select(table.id).where(table.customer_id == self.customer_id, table.deleted_at.is_(None), wanted)
        return set(await self.session.scalars(statement))

    async def dismiss(self, pairs: Iterable[tuple[str, str]], *, by: str) -> None:
        """Remember pairs (smaller id first) that are not the same."""
        rows = [
            {"customer_id": self.customer_id, "kind": self.kind, "first_id": one, "second_id": two, "dismissed_by": by}
            for one, two in pairs
        ]
        await self.session.execute(insert(DuplicateDismissal).values(rows).on_conflict_do_nothing())
