"""Statements about model versions."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api.records.repository import rendered
from bevyly.ids import new_id
from bevyly.intent.versions import BY_PERSON, promotion


class ModelRepository:
    """Versions of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def promote(self, model_id: str, *, reason: str, actor: tuple[str, str], now: datetime) -> Any:
        """Row (kind, previous, changed) after `model_id` was put in use; all None where there is no such version."""
        statement = promotion(
            customer_id=self.customer_id, version_id=model_id, reason=reason, cause=BY_PERSON, actor=actor,
            change_id=new_id(), at=now,
        )  # fmt: skip
        return (await self.session.execute(statement)).one()

    async def rendered(self, model_id: str) -> bytes:
        """The version as every read answers it."""
        return await rendered(self.session, "model", self.customer_id, model_id)
