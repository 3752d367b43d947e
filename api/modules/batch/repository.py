"""Statements of batches: which records have a key, which rows exist that others refer to."""

from typing import Any

from sqlalchemy import func, select

from api.modules.batch.kinds import compared
from api.records.bulk import TABLES, BulkRepository, among
from bevyly.db.schema import User


class BatchRepository(BulkRepository):
    """Records of one tenant by what they are known by."""

    async def having(self, kind: str, column: str, values: set[str]) -> list[tuple[str, str]]:
        """Value and id of the records that have one of `values` in `column`, deleted ones only by external id."""
        table = TABLES[kind]
        attribute = getattr(table, column)
        key: Any = attribute if column == "external_id" else func.lower(attribute)
        # A domain is stored in lower case, and its index is on the column itself.
        condition = among(attribute if column in ("external_id", "domain") else key, values)
        statement = select(key, table.id).where(table.customer_id == self.customer_id, condition)
        if column != "external_id":
            statement = statement.where(table.deleted_at.is_(None))
        found = await self.session.execute(statement.order_by(table.id))
        return [(compared(column, str(value)), str(record_id)) for value, record_id in found]

    async def users(self, ids: set[str]) -> dict[str, str]:
        """Which of `ids` are users."""
        statement = select(User.id).where(User.customer_id == self.customer_id, among(User.id, ids))
        return {user_id: user_id for user_id in await self.session.scalars(statement)}
