"""What may be done with pipelines. A stage that ended keeps its row: deals were in it, and their history says so."""

from typing import Any

from api.dependencies.work import WriteContext
from api.modules.pipelines.errors import NotAnOpenStage, StageInUse, StageNeeded, TooMany
from api.modules.pipelines.repository import PipelineRepository
from api.modules.pipelines.schemas import MAX_STAGES
from api.problems import ReferenceNotFound
from api.records.repository import missing
from api.records.service import require_version
from api.records.trail import Trail, Values
from bevyly.db.schema import Pipeline, PipelineStage
from bevyly.ids import new_id

MAX_PIPELINES = 20
MAX_MOVED = 1_000
"""Deals in one call: as many as fit well into one transaction with their events."""


class PipelineService:
    """Pipelines of one tenant. Changes to them wait for each other."""

    def __init__(self, context: WriteContext) -> None:
        self.customer_id = context.principal.customer_id
        self.session = context.work.session
        self.trail = Trail(context)
        self.pipelines = PipelineRepository(self.session, self.customer_id)

    async def create(self, values: Values) -> Pipeline:
        """A new pipeline with its stages; raises `TooMany`."""
        if await self.pipelines.count() >= MAX_PIPELINES:
            raise TooMany(f"There are {MAX_PIPELINES} pipelines already; that is as many as there may be.")
        now = self.trail.now
        row = Pipeline(
            customer_id=self.customer_id, id=new_id(), name=values["name"], version=1, created_at=now, updated_at=now
        )
        self.session.add(row)
        await self.session.flush()
        for place, stage in enumerate(values["stages"], start=1):
            self._add(row, stage, place)
        await self.session.flush()
        self.trail.audit("pipeline.created", ("pipeline", row.id), after=values)
        return row

    async def update(self, pipeline_id: str, changes: Values, *, expected_version: int | None) -> Pipeline:
        """Rename a pipeline, or make it the default."""
        row = await self._held(pipeline_id, expected_version)
        before = {name: getattr(row, name) for name in changes}
        after = {name: value for name, value in changes.items() if value != before[name]}
        if not after:
            return row
        if "is_default" in after:
            (await self.pipelines.default()).is_default = False
            await self.session.flush()
        for name, value in after.items():
            setattr(row, name, value)
        self._changed(row, "updated", {name: before[name] for name in after}, after)
        return row

    async def archive(self, pipeline_id: str, *, expected_version: int | None) -> None:
        """End a pipeline without open deals, and its stages with it; raises `StageNeeded` or `StageInUse`."""
        row = await self._held(pipeline_id, expected_version)
        if row.is_default:
            raise StageNeeded("This is the default pipeline. Make another one the default first.")
        stages = await self.pipelines.stages(row.id)
        remaining = await self.pipelines.open_deals([stage.key for stage in stages])
        if remaining:
            raise StageInUse("Deals are open in this pipeline: archive its stages first.", open_deals=remaining)
        for stage in stages:
            stage.archived_at = self.trail.now
        row.archived_at = self.trail.now
        self._changed(row, "archived", {"archived_at": None}, {"archived_at": row.archived_at})

    async def add_stage(self, pipeline_id: str, values: Values) -> Pipeline:
        """A new stage, after the others of its kind; raises `TooMany`."""
        row = await self._held(pipeline_id, None)
        stages = await self.pipelines.stages(row.id)
        if len(stages) >= MAX_STAGES:
            raise TooMany(f"There are {MAX_STAGES} stages already; that is as many as there may be.")
        self._add(row, values, max(stage.position for stage in stages) + 1)
        await self.session.flush()
        self._changed(row, "updated", {"stage": None}, {"stage": values})
        return row

    async def change_stage(self, pipeline_id: str, stage_id: str, changes: Values) -> Pipeline:
        """Another name or chance of a stage."""
        row, stage, _ = await self._stage(pipeline_id, stage_id)
        before = {name: getattr(stage, name) for name in changes}
        after = {name: value for name, value in changes.items() if value != before[name]}
        if after:
            for name, value in after.items():
                setattr(stage, name, value)
            changed = {name: before[name] for name in after}
            self._changed(row, "updated", {stage.key: changed}, {stage.key: after})
        return row

    async def reorder(self, pipeline_id: str, stage_ids: list[str]) -> Pipeline:
        """Another order of the stages, open ones first; raises `StageNeeded` unless exactly these are there."""
        row = await self._held(pipeline_id, None)
        stages = {stage.id: stage for stage in await self.pipelines.stages(row.id)}
        if sorted(stage_ids) != sorted(stages):
            raise StageNeeded("Name every stage that is not archived, each once.")
        before = [stage.key for stage in stages.values()]
        for place, stage_id in enumerate(stage_ids, start=1):
            stages[stage_id].position = place
        after = [stages[stage_id].key for stage_id in stage_ids]
        if after != before:
            self._changed(row, "updated", {"order": before}, {"order": after})
        return row

    async def archive_stage(self, pipeline_id: str, stage_id: str, *, move_to: str | None) -> tuple[int, int]:
        """End a stage once no open deal is left in it; how many were moved, and how many are left.

        Raises `NotFound`, `StageNeeded`, `StageInUse` or `NotAnOpenStage`.
        """
        row, stage, stages = await self._stage(pipeline_id, stage_id)
        if [other.kind for other in stages].count(stage.kind) == 1:
            raise StageNeeded(f"This is the only {stage.kind} stage of the pipeline.")
        remaining, moved = await self.pipelines.open_deals([stage.key]), 0
        if remaining and move_to is None:
            raise StageInUse("Deals are open in this stage: say where they go.", open_deals=remaining)
        if move_to is not None:
            moved = await self._move(stage, move_to)
        if moved == remaining:
            stage.archived_at = self.trail.now
            ended = self.trail.now.isoformat()
            self._changed(row, "updated", {stage.key: {"archived_at": None}}, {stage.key: {"archived_at": ended}})
        return moved, remaining - moved

    async def _move(self, stage: PipelineStage, move_to: str) -> int:
        target = await self.pipelines.open_stage(move_to)
        if target is None:
            raise ReferenceNotFound.of("move_to")
        if target.id == stage.id:
            raise NotAnOpenStage("The deals cannot stay where they are.")
        events: dict[str, str] = {}
        for deal in await self.pipelines.move(stage.key, target.key, limit=MAX_MOVED, now=self.trail.now):
            subject, moved = ("opportunity", deal.id), {"from_stage": stage.key, "to_stage": target.key}
            data = {"opportunity_id": deal.id, **moved, "status": "open"}
            data |= {"value_minor": deal.value, "currency": deal.currency}
            event = self.trail.emit("opportunity.stage_changed", subject, sequence=deal.version, data=data)
            self.trail.audit("opportunity.updated", subject, before={"stage": stage.key}, after={"stage": target.key})
            events[deal.id] = event.id
        await self.pipelines.write_history(events, stage.key, target.key, now=self.trail.now)
        return len(events)

    async def _held(self, pipeline_id: str, expected_version: int | None) -> Pipeline:
        row = await self.pipelines.lock(pipeline_id)
        require_version(row, expected_version)
        return row

    async def _stage(self, pipeline_id: str, stage_id: str) -> tuple[Pipeline, PipelineStage, list[PipelineStage]]:
        row = await self._held(pipeline_id, None)
        stages = await self.pipelines.stages(row.id)
        for stage in stages:
            if stage.id == stage_id:
                return row, stage, stages
        raise missing("stage")

    def _add(self, row: Pipeline, values: dict[str, Any], place: int) -> None:
        stage = PipelineStage(customer_id=self.customer_id, id=new_id(), pipeline_id=row.id, position=place, **values)
        self.session.add(stage)

    def _changed(self, row: Pipeline, action: str, before: Values, after: Values) -> None:
        row.version += 1
        row.updated_at = self.trail.now
        self.trail.audit(f"pipeline.{action}", ("pipeline", row.id), before=before, after=after)
