"""Statements about definitions of custom fields, and about where they have values."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.modules.custom_fields.types import Definition, Rules
from api.records.repository import missing, rendered
from bevyly.db.schema import Account, Activity, Contact, CustomField, Lead, Opportunity
from bevyly.db.unit_of_work import driver_of
from bevyly.ids import is_id

_TABLES: dict[str, Any] = {
    "account": Account,
    "contact": Contact,
    "lead": Lead,
    "opportunity": Opportunity,
    "activity": Activity,
}
_RULES = b"""
select coalesce(c.settings -> 'strict_custom_fields' = 'true', false),
  f.key, f.type, f.options, f.max_length, f.minimum, f.maximum, f.archived
from customers c left join custom_fields f on f.customer_id = c.id and f.object = %s where c.id = %s
"""


async def rules_of(session: AsyncSession, customer_id: str, kind: str) -> Rules:
    """The definitions for records of `kind`, and whether there is nothing besides them: one round trip."""
    rows = await (await driver_of(session).execute(_RULES, (kind, customer_id))).fetchall()
    strict = any(row[0] for row in rows)
    return Rules(strict, {row[1]: Definition(*row[1:]) for row in rows if row[1] is not None})


class CustomFieldRepository:
    """Definitions of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def count(self, kind: str) -> int:
        """How many fields records of `kind` have, counted alone: another count waits until this unit of work ends."""
        lock = func.pg_advisory_xact_lock(func.hashtextextended(f"custom_fields:{self.customer_id}", 0))
        await self.session.execute(select(lock))
        statement = select(func.count()).where(CustomField.customer_id == self.customer_id, CustomField.object == kind)
        return await self.session.scalar(statement) or 0

    async def lock(self, field_id: str) -> CustomField:
        """The definition, held until the unit of work ends; raises `NotFound`."""
        statement = select(CustomField).where(CustomField.customer_id == self.customer_id, CustomField.id == field_id)
        row = await self.session.scalar(statement.with_for_update()) if is_id(field_id) else None
        if row is None:
            raise missing("custom_field")
        return row

    async def values(self, kind: str, key: str) -> int:
        """How many records of `kind`, deleted ones too, have something under `key`."""
        table = _TABLES[kind]
        statement = select(func.count()).where(table.customer_id == self.customer_id, table.custom.has_key(key))
        return await self.session.scalar(statement) or 0

    async def rendered(self, field_id: str) -> bytes:
        """The definition as every read answers it."""
        return await rendered(self.session, "custom_field", self.customer_id, field_id)
