"""Statements about recommendations and users, for people's answers."""

from sqlalchemy import Update, select
from sqlalchemy.ext.asyncio import AsyncSession

from bevyly.db.schema import Recommendation


class RecommendationRepository:
    """Recommendations of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def status(self, recommendation_id: str) -> str | None:
        """The status that it has, or None where there is no such recommendation."""
        return await self.session.scalar(
            select(Recommendation.status).where(
                Recommendation.customer_id == self.customer_id, Recommendation.id == recommendation_id
            )
        )

    async def apply(self, change: Update) -> Recommendation | None:
        """The changed row, or None where the condition did not hold."""
        row: Recommendation | None = await self.session.scalar(change)
        return row
