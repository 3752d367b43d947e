"""Stages as other systems name them: by key, or by the name that they have here, whatever its case.

A stage that the tenant does not have is refused and never made: a sender's slip of the pen is no decision.
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from api.modules.events.errors import invalid
from api.modules.opportunities.stages import Stage, Stages


class KnownStages(Stages):
    """Stages that were read once for a whole batch."""

    def __init__(self, session: AsyncSession, customer_id: str, stages: Sequence[Stage]) -> None:
        super().__init__(session, customer_id)
        self._first = stages[0] if stages else None
        names = {stage.name.lower(): stage for stage in reversed(stages)}
        self._by_name = names | {stage.key: stage for stage in stages}

    async def require(self, key: str | None) -> Stage:
        """The stage of this key or name, or the first one; raises `InvalidEvent`."""
        found = self._first if key is None else self._by_name.get(key) or self._by_name.get(key.lower())
        if found is None:
            allowed = ", ".join(sorted({stage.key for stage in self._by_name.values()}))
            raise invalid(("data.stage", "unknown_stage", f"one of {allowed}"))
        return found
