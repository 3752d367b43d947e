"""Statements of the conversion of leads."""

from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from bevyly.db.schema import Account, Contact, Lead, Score

Target = TypeVar("Target", Account, Contact)
CONVERTIBLE = ("new", "working", "qualified")


class ConversionRepository:
    """What a conversion asks of the rows of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def claim(self, lead_id: str, now: datetime) -> Lead | None:
        """Mark the lead as converted, if nobody did; the row lock makes exactly one of many callers win."""
        statement = (
            update(Lead)
            .where(
                Lead.customer_id == self.customer_id,
                Lead.id == lead_id,
                Lead.status.in_(CONVERTIBLE),
                Lead.deleted_at.is_(None),
            )
            .values(status="converted", converted_at=now, updated_at=now, version=Lead.version + 1)
            .returning(Lead)
        )
        return await self.session.scalar(statement)

    async def find(self, lead_id: str) -> Lead | None:
        """The lead as it is, whatever its status."""
        statement = select(Lead).where(
            Lead.customer_id == self.customer_id, Lead.id == lead_id, Lead.deleted_at.is_(None)
        )
        return await self.session.scalar(statement)

    async def one_at_a_time(self, name: str) -> None:
        """Wait for other conversions into the same company, so that it is not created twice."""
        key = text(
            "select pg_advisory_xact_lock(hashtextextended(:tenant || coalesce(match_name(:name), lower(:name)), 0))"
        )
        await self.session.execute(key, {"tenant": f"convert:{self.customer_id}:", "name": name})

    async def account_by_domain(self, domain: str) -> Account | None:
        """The oldest account with this domain, or another one of the same owner."""
        return await self.session.scalar(self._oldest(Account, Account.match_domain == func.match_domain(domain)))

    async def account_by_name(self, name: str) -> Account | None:
        """The oldest account with this name, whatever its case, accents and legal form."""
        return await self.session.scalar(self._oldest(Account, Account.match_name == func.match_name(name)))

    async def contact_by_email(self, email: str) -> Contact | None:
        """The oldest contact with this email, whatever its case."""
        return await self.session.scalar(self._oldest(Contact, Contact.match_email == func.match_email(email)))

    async def score(self, lead_id: str) -> tuple[float, str] | tuple[None, None]:
        """The probability of conversion that the lead had, and the id of that score."""
        found = await self.session.execute(
            select(Score.probability, Score.id).where(
                Score.customer_id == self.customer_id,
                Score.entity_type == "lead",
                Score.entity_id == lead_id,
                Score.score_type == "conversion",
                Score.is_current,
            )
        )
        row = found.one_or_none()
        return (None, None) if row is None else (row[0], row[1])

    def _oldest(self, table: type[Target], condition: ColumnElement[bool]) -> Select[Target]:
        return (
            select(table)
            .where(table.customer_id == self.customer_id, table.deleted_at.is_(None), condition)
            .order_by(table.created_at, table.id)
            .limit(1)
        )
