"""Statements about recommendations and users, for people's answers."""

from datetime import datetime

from sqlalchemy import Update, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from bevyly.db.schema import Briefing, BriefingSeen, Recommendation


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


class SeenRepository:
    """What one tenant's people have seen of their briefings."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def as_of(self, user_id: str, version: int) -> datetime | None:
        """The instant that a version of a user's briefing is of, or None where there is none."""
        return await self.session.scalar(
            select(Briefing.as_of).where(
                Briefing.customer_id == self.customer_id, Briefing.user_id == user_id, Briefing.version == version
            )
        )

    async def mark(self, user_id: str, version: int, as_of: datetime, *, now: datetime) -> BriefingSeen:
        """Move the mark of a user on to `version`, or leave it where a newer one was seen; the mark as it is then."""
        values = {"version": version, "as_of": as_of, "seen_at": now}
        keys = {"customer_id": self.customer_id, "user_id": user_id}
        statement = insert(BriefingSeen).values(**keys, **values)
        await self.session.execute(
            statement.on_conflict_do_update(
                constraint="pk_briefing_seen", set_=values, where=BriefingSeen.version < statement.excluded.version
            )
        )
        return await self.session.get_one(BriefingSeen, (self.customer_id, user_id), populate_existing=True)
