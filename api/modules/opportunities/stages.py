"""The stages that deals of one tenant may enter. How they are made and ended is `api.modules.pipelines`."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bevyly.db.schema import Pipeline, PipelineStage
from bevyly.errors import Invalid


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage by its key; `kind` is the status of the deals in it."""

    key: str
    name: str
    kind: str


class UnknownStage(Invalid):
    """The tenant has no such stage; `allowed` says which it has."""

    code = "unknown_stage"


class Stages:
    """Stages of one tenant, asked of the database and held against their end until the unit of work ends."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def require(self, key: str | None) -> Stage:
        """The stage with this key, or the first of the default pipeline; raises `UnknownStage`."""
        found = await self.all(key)
        if not found:
            allowed = [stage.key for stage in await self.all(None)]
            errors = [{"field": "body.stage", "code": "unknown_stage", "message": f"one of {', '.join(allowed)}"}]
            raise UnknownStage("There is no such stage.", errors=errors, allowed=allowed)
        return found[0]

    async def all(self, key: str | None) -> Sequence[Stage]:
        """Stages that can be entered, those of the default pipeline first; only the one with `key` if it is given."""
        table = PipelineStage
        statement = (
            select(table.key, table.name, table.kind)
            .join(Pipeline, (Pipeline.customer_id == table.customer_id) & (Pipeline.id == table.pipeline_id))
            .where(table.customer_id == self.customer_id, table.archived_at.is_(None))
            .order_by(Pipeline.is_default.desc(), Pipeline.created_at, table.kind != "open", table.position, table.key)
            .with_for_update(read=True, of=table)
        )
        if key is not None:
            statement = statement.where(table.key == key)
        return [Stage(*row) for row in await self.session.execute(statement)]


class KeptStages(Stages):
    """Stages that were read once for many deals."""

    def __init__(self, session: AsyncSession, customer_id: str, stages: Sequence[Stage]) -> None:
        super().__init__(session, customer_id)
        self._stages = stages

    async def all(self, key: str | None) -> Sequence[Stage]:
        """Of those that were read, all or the one with `key`."""
        return [stage for stage in self._stages if key in (None, stage.key)]
