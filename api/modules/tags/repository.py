"""Statements on tags of one tenant."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bevyly.db.schema import Account, Contact, Lead, Opportunity

TaggedTable = type[Account] | type[Contact] | type[Opportunity] | type[Lead]


class TagRepository:
    """Which records have a tag."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def ids(self, table: TaggedTable, tag: str, limit: int) -> list[str]:
        """Ids of records with `tag`, deleted ones left out, in the order in which they are locked."""
        statement = (
            select(table.id)
            .where(
                table.customer_id == self.customer_id,
                table.tags != [],
                table.tags.any_() == tag,
                table.deleted_at.is_(None),
            )
            .order_by(table.id)
            .limit(limit)
        )
        return list(await self.session.scalars(statement))
