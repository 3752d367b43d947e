"""Statements about who took part in activities."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bevyly.db.schema import ActivityParticipant


class ParticipantRepository:
    """Participants of the activities of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def of(self, activity_id: str) -> list[dict[str, Any]]:
        """Who took part in one activity, as events tell it."""
        table = ActivityParticipant
        rows = await self.session.execute(
            select(table.contact_id, table.email, table.role)
            .where(table.customer_id == self.customer_id, table.activity_id == activity_id)
            .order_by(table.id)
        )
        return [dict(row) for row in rows.mappings()]
