"""Statements about what people say of detectors."""

from datetime import datetime

import orjson
from sqlalchemy import delete, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.modules.detectors.schemas import State
from bevyly.db.schema import DetectorOverride


class DetectorRepository:
    """Overrides of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def take_back(self, signal_type: str) -> None:
        """Leave it to the rule."""
        mine = DetectorOverride.customer_id == self.customer_id
        await self.session.execute(delete(DetectorOverride).where(mine, DetectorOverride.signal_type == signal_type))

    async def set(self, signal_type: str, *, muted: bool, reason: str | None, user_id: str, now: datetime) -> None:
        """Say whether it is heard, in place of what was said before."""
        said = {"muted": muted, "reason": reason, "set_by": user_id, "set_at": now}
        statement = insert(DetectorOverride).values(customer_id=self.customer_id, signal_type=signal_type, **said)
        await self.session.execute(
            statement.on_conflict_do_update(index_elements=["customer_id", "signal_type"], set_=said)
        )

    async def state(self) -> State:
        """What is stored of the tenant's detectors."""
        function = func.api_get_detectors(self.customer_id)
        body = await self.session.scalar(select(literal_column("body")).select_from(function))
        state: State = orjson.loads(str(body))
        return state
