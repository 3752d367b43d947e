"""Statements about the settings of one tenant."""

from sqlalchemy import func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from bevyly.db.schema import Customer


class SettingsRepository:
    """The row of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def lock(self) -> Customer:
        """The tenant, held until the unit of work ends."""
        statement = select(Customer).where(Customer.id == self.customer_id)
        found = await self.session.scalars(statement.with_for_update(key_share=True))
        return found.one()

    async def rendered(self) -> bytes:
        """The settings as every read answers them."""
        await self.session.flush()
        function = func.api_get_settings(self.customer_id, self.customer_id)
        return str(await self.session.scalar(select(literal_column("body")).select_from(function))).encode()
