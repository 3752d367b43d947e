"""Taking an import back: new records are deleted, changed fields get the value they had before.

What somebody changed since stays as it is: a record whose version moved on is not deleted, a field with another value
is not touched. That is a conflict, and told.
"""

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

from api.dependencies.work import WriteContext
from api.modules.batch.kinds import KINDS
from api.modules.batch.repository import BatchRepository
from api.modules.batch.schemas import validated
from api.modules.batch.service import service_on
from api.modules.imports.repository import ImportRepository
from api.modules.opportunities.stages import Stages
from api.records.held import Batch, HeldWork
from api.records.service import RecordService
from api.records.trail import plain
from bevyly.db.schema import Import, ImportEffect
from bevyly.errors import BevylyError


class Reverting:
    """Takes back what one import did, in one unit of work."""

    def __init__(self, context: WriteContext, job: Import) -> None:
        self._context = context
        self._job = job
        self._kind = KINDS[job.kind]
        self._imports = ImportRepository(context.work.session, job.customer_id)
        self._records = BatchRepository(context.work.session, job.customer_id)

    async def part(self, count: int) -> bool:
        """Take back the next `count` effects; False where none is left."""
        effects = await self._imports.effects(self._job.id, count)
        if not effects:
            return False
        batch = Batch(HeldWork(self._context.work.session, self._job.customer_id))
        await self._records.be_patient()
        batch.load(await self._records.lock_records({self._job.kind: {effect.record_id for effect in effects}}))
        stages = await Stages(self._context.work.session, self._job.customer_id).all(None)
        service = service_on(batch, replace(self._context, work=batch.work), self._kind, stages)
        outcomes: dict[str, list[str]] = defaultdict(list)
        for effect in effects:
            outcomes[await self._take_back(effect, batch, service)].append(effect.record_id)
        await self._records.write_records(batch)
        for event in batch.work.events:
            self._context.work.emit(event)
        for outcome, ids in outcomes.items():
            await self._imports.set_outcomes(self._job.id, outcome, ids)
        tally = Counter(self._job.reverted) + Counter({outcome: len(ids) for outcome, ids in outcomes.items()})
        self._job.reverted = dict(sorted(tally.items()))
        return True

    async def _take_back(self, effect: ImportEffect, batch: Batch, service: RecordService[Any]) -> str:
        row = batch.records.get(effect.record_id)
        if row is None or row.deleted_at is not None:
            return "conflict"
        mark = batch.mark(effect.record_id)
        try:
            if effect.action == "created":
                if row.version != effect.version:
                    return "conflict"
                await service.delete(row.id, expected_version=effect.version)
                return "reverted"
            now = plain({name: service.value(row, name) for name in effect.before})
            mine = {name: value for name, value in effect.before.items() if now[name] == effect.after.get(name)}
            if mine:
                await service.update(row.id, validated(self._kind, mine, new=False), expected_version=None)
        except BevylyError:
            batch.take_back(mark)
            return "conflict"
        return "reverted" if len(mine) == len(now) else "partly" if mine else "conflict"
