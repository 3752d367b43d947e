"""Statements about the history of opportunities."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bevyly.db.schema import OpportunityChange
from bevyly.ids import new_id


class HistoryRepository:
    """What stage, close date and amount of the opportunities of one tenant were."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def close(self, opportunity_id: str, field: str, at: datetime) -> None:
        """End the value that `field` has."""
        table = OpportunityChange
        await self.session.execute(
            update(table)
            .where(
                table.customer_id == self.customer_id,
                table.opportunity_id == opportunity_id,
                table.field == field,
                table.valid_to.is_(None),
            )
            .values(valid_to=at)
            .execution_options(synchronize_session=False)
        )

    def open(
        self, opportunity_id: str, field: str, old: str | None, new: str | None, *, at: datetime, event_id: str
    ) -> None:
        """Begin the next value of `field`; the one before must have been closed."""
        self.session.add(
            OpportunityChange(
                customer_id=self.customer_id,
                id=new_id(),
                opportunity_id=opportunity_id,
                field=field,
                old_value=old,
                new_value=new,
                valid_from=at,
                valid_to=None,
                recorded_at=at,
                event_id=event_id,
            )
        )
