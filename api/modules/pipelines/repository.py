"""Statements about pipelines, their stages and the deals in them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.records.repository import missing, rendered
from bevyly.db.schema import Opportunity, OpportunityChange, Pipeline, PipelineStage
from bevyly.ids import is_id, new_id


class PipelineRepository:
    """Pipelines of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def count(self) -> int:
        """How many pipelines there are, counted alone: another change waits until this unit of work ends."""
        lock = func.pg_advisory_xact_lock(func.hashtextextended(f"pipelines:{self.customer_id}", 0))
        await self.session.execute(select(lock))
        return await self.session.scalar(select(func.count()).where(Pipeline.customer_id == self.customer_id)) or 0

    async def lock(self, pipeline_id: str) -> Pipeline:
        """A pipeline that is not archived, held until the unit of work ends; raises `NotFound`."""
        statement = select(Pipeline).where(
            Pipeline.customer_id == self.customer_id, Pipeline.id == pipeline_id, Pipeline.archived_at.is_(None)
        )
        row = await self.session.scalar(statement.with_for_update()) if is_id(pipeline_id) else None
        if row is None:
            raise missing("pipeline")
        return row

    async def default(self) -> Pipeline:
        """The default pipeline, held until the unit of work ends."""
        statement = select(Pipeline).where(Pipeline.customer_id == self.customer_id, Pipeline.is_default)
        return (await self.session.scalars(statement.with_for_update())).one()

    async def stages(self, pipeline_id: str) -> list[PipelineStage]:
        """Stages of a pipeline that are not archived, open ones first, held until the unit of work ends."""
        statement = (
            select(PipelineStage)
            .where(
                PipelineStage.customer_id == self.customer_id,
                PipelineStage.pipeline_id == pipeline_id,
                PipelineStage.archived_at.is_(None),
            )
            .order_by(PipelineStage.kind != "open", PipelineStage.position, PipelineStage.key)
        )
        return list(await self.session.scalars(statement.with_for_update()))

    async def open_stage(self, stage_id: str) -> PipelineStage | None:
        """A stage for open deals, of any pipeline, held until the unit of work ends."""
        statement = select(PipelineStage).where(
            PipelineStage.customer_id == self.customer_id,
            PipelineStage.id == stage_id,
            PipelineStage.kind == "open",
            PipelineStage.archived_at.is_(None),
        )
        row: PipelineStage | None = await self.session.scalar(statement.with_for_update(read=True))
        return row

    async def open_deals(self, keys: Sequence[str]) -> int:
        """How many open deals are in these stages, deleted ones too: they may come back."""
        statement = select(func.count()).where(
            Opportunity.customer_id == self.customer_id, Opportunity.status == "open", Opportunity.stage.in_(keys)
        )
        return await self.session.scalar(statement) or 0

    async def move(self, key: str, to: str, *, limit: int, now: datetime) -> Sequence[Any]:
        """Move at most `limit` open deals to another stage: id, version, value and currency of each, ordered by id."""
        chosen = (
            select(Opportunity.id)
            .where(Opportunity.customer_id == self.customer_id, Opportunity.status == "open", Opportunity.stage == key)
            .order_by(Opportunity.id)
            .limit(limit)
            .with_for_update()
            .cte("chosen")  # chosen once: a subquery may be asked again for each row, and find others by then
        )
        statement = (
            update(Opportunity)
            .where(Opportunity.customer_id == self.customer_id, Opportunity.id.in_(select(chosen.c.id)))
            .values(stage=to, version=Opportunity.version + 1, stage_entered_at=now, updated_at=now)
            .returning(Opportunity.id, Opportunity.version, Opportunity.value, Opportunity.currency)
            .execution_options(synchronize_session=False)
        )
        return sorted(await self.session.execute(statement), key=lambda row: str(row.id))

    async def write_history(self, moved: dict[str, str], old: str, new: str, *, now: datetime) -> None:
        """End the stage that deals were in and begin the next; `moved` are ids of events by id of the deal."""
        if not moved:
            return
        table = OpportunityChange
        await self.session.execute(
            update(table)
            .where(
                table.customer_id == self.customer_id,
                table.opportunity_id.in_(moved),
                table.field == "stage",
                table.valid_to.is_(None),
            )
            .values(valid_to=now)
            .execution_options(synchronize_session=False)
        )
        common = {"customer_id": self.customer_id, "field": "stage", "old_value": old, "new_value": new}
        rows = [
            common | {"id": new_id(), "opportunity_id": deal, "valid_from": now, "recorded_at": now, "event_id": event}
            for deal, event in moved.items()
        ]
        await self.session.execute(insert(table), rows)

    async def rendered(self, pipeline_id: str) -> bytes:
        """The pipeline as every read answers it."""
        return await rendered(self.session, "pipeline", self.customer_id, pipeline_id)
