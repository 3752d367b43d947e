"""Many changes to records of one kind, through the services of that kind: their rules, their audit, their events.

What a batch must know is asked in a few statements; the changes are made in memory, one after the other, and written
in a few statements more. A dry run is the same without the writing: it remembers what it would have written.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from prometheus_client import Counter

from api.dependencies.work import WriteContext
from api.modules.batch.changes import Outcome, RowChange
from api.modules.batch.errors import AlreadyExists, Ambiguous, Deleted, DeleteNotAllowed, NoMatch
from api.modules.batch.kinds import REFERENCES, Kind, compared
from api.modules.batch.repository import BatchRepository
from api.modules.custom_fields.values import CustomValues
from api.modules.opportunities.service import OpportunityService
from api.modules.opportunities.stages import KeptStages, Stage, Stages
from api.problems import ReferenceNotFound
from api.records.halves import in_halves
from api.records.held import AnyRecord, Batch, HeldHistory, HeldRecords, HeldWork
from api.records.repository import merged_away, missing
from api.records.service import RecordService
from api.records.trail import Values
from bevyly.db.schema import AuditEntry
from bevyly.errors import BevylyError, Invalid
from bevyly.events.envelope import Event
from bevyly.ids import is_id, new_id

ROWS = Counter("bevyly_batch_rows_total", "Rows of batches and imports.", ["kind", "status"])
_YIELD_EVERY = 50
Key = tuple[str, str]


@dataclass
class Known:
    """What is known about keys and references, besides the records that the batch holds."""

    keys: dict[Key, list[str]] = field(default_factory=lambda: defaultdict(list))
    asked: set[Key] = field(default_factory=set)
    existing: dict[str, str] = field(default_factory=dict)
    """Rows that others refer to, and who stands for each: itself, or what it was merged into."""
    stages: Sequence[Stage] | None = None
    """Where the batch is about deals."""


@dataclass
class Held:
    """What a dry run remembers from one part to the next."""

    batch: Batch
    known: Known


class BatchService:
    """Applies changes to records of one kind for one tenant."""

    def __init__(self, context: WriteContext, kind: Kind, *, dry: bool = False) -> None:
        self.context = context
        self.kind = kind
        self.customer_id = context.principal.customer_id
        self.repository = BatchRepository(context.work.session, self.customer_id)
        self.custom = CustomValues(context.work.session, self.customer_id, kind.name)
        self.dry: Held | None = Held(self._batch(), Known()) if dry else None

    def at(self, context: WriteContext) -> None:
        """Go on in another unit of work."""
        self.context = context
        self.repository = BatchRepository(context.work.session, self.customer_id)
        self.custom = CustomValues(context.work.session, self.customer_id, self.kind.name)

    async def apply(self, changes: Sequence[RowChange]) -> list[Outcome]:
        """What became of each change, in their order."""
        await self.repository.be_patient()
        if self.dry is not None:
            outcomes, _ = await self._try(changes)
        else:
            parts: list[Sequence[RowChange]] = [[change] for change in changes] if self.kind.alone else [changes]
            outcomes = [
                outcome for part in parts for outcome in await in_halves(self.context.work, part, self._try, _refused)
            ]
        for outcome in outcomes:
            ROWS.labels(self.kind.name, outcome.status).inc()
        return outcomes

    async def _try(self, changes: Sequence[RowChange]) -> tuple[list[Outcome], list[Event]]:
        held = self.dry or Held(self._batch(), Known())
        await self._prefetch(changes, held)
        applier = _Applier(replace(self.context, work=held.batch.work), self.kind, held, self.custom)
        outcomes = []
        for number, change in enumerate(changes):
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
            outcomes.append(await applier.outcome(change))
        if self.dry is None:
            await self.repository.write_records(held.batch)
            return outcomes, held.batch.work.events
        held.batch.forget_additions()
        return outcomes, []

    async def _prefetch(self, changes: Sequence[RowChange], held: Held) -> None:
        wanted: dict[str, set[str]] = defaultdict(set)
        for change in changes:
            if change.key is not None:
                wanted[change.key[0]].add(compared(*change.key))
            if change.values.get("external_id"):
                wanted["external_id"].add(change.values["external_id"])
        ids = {change.record_id for change in changes if change.record_id is not None}
        for name, values in wanted.items():
            new = {value for value in values if (name, value) not in held.known.asked}
            held.known.asked |= {(name, value) for value in new}
            for value, record_id in await self.repository.having(self.kind.name, name, new) if new else ():
                held.known.keys[name, value].append(record_id)
                ids.add(record_id)
        ids = {record_id for record_id in ids - held.batch.records.keys() if is_id(record_id)}
        if ids:
            held.batch.load(await self.repository.lock_records({self.kind.name: ids}))
        if self.kind.name == "opportunity" and held.known.stages is None:
            held.known.stages = await Stages(self.context.work.session, self.customer_id).all(None)
        await self._prefetch_references(changes, held.known)

    async def _prefetch_references(self, changes: Sequence[RowChange], known: Known) -> None:
        wanted: dict[str, set[str]] = defaultdict(set)
        for change in changes:
            for kind, record_id, _ in references(change.values):
                wanted[kind].add(record_id)
        for kind, ids in wanted.items():
            new = ids - known.existing.keys()
            if new:
                found = self.repository.users(new) if kind == "user" else self.repository.existing(kind, new)
                known.existing |= await found

    def _batch(self) -> Batch:
        return Batch(HeldWork(self.context.work.session, self.customer_id))


class _Applier:
    """Applies changes to a batch, one after the other."""

    def __init__(self, context: WriteContext, kind: Kind, held: Held, custom: CustomValues) -> None:
        self._kind = kind
        self._batch, self._known = held.batch, held.known
        self._may_delete = f"{kind.plural}:delete" in context.principal.permissions
        self._service = service_on(held.batch, context, kind, held.known.stages or ())
        self._service.custom = custom

    async def outcome(self, change: RowChange) -> Outcome:
        """What became of one change; one that is refused leaves nothing behind."""
        try:
            record_id = self._found(change)
        except BevylyError as error:
            return _refused(change, error)
        target = record_id or new_id()
        mark = self._batch.mark(target)
        try:
            return await self._apply(change, record_id, target)
        except BevylyError as error:
            self._batch.take_back(mark)
            return _refused(change, error)

    async def _apply(self, change: RowChange, record_id: str | None, target: str) -> Outcome:
        self._require_references(change.values)
        self._require_free(change.values, target)
        noted = len(self._batch.work.held.rows)
        if change.operation == "delete":
            if not self._may_delete:
                raise DeleteNotAllowed(f"This needs the permission {self._kind.plural}:delete.")
            await self._service.delete(target, expected_version=change.version)
            return self._told(change, target, "deleted", noted)
        if record_id is None:
            await self._create(change, target)
            status = "created"
        else:
            status = await self._update(change, target)
        self._remember(target, change.values)
        return self._told(change, target, status, noted)

    async def _create(self, change: RowChange, record_id: str) -> None:
        lacking = [name for name in self._kind.required if name not in change.values]
        if lacking:
            errors = [{"field": f"body.{name}", "code": "missing", "message": "Field required"} for name in lacking]
            raise Invalid("Some fields are not valid.", errors=errors)
        self._batch.records[record_id] = await self._service.create(change.values | {"id": record_id})

    async def _update(self, change: RowChange, record_id: str) -> str:
        row = self._batch.records[record_id]
        if change.operation == "upsert" and not self._kind.upserts_change:
            return "unchanged"
        before = row.version
        values = change.values
        if change.merges_custom and "custom" in values:
            values = values | {"custom": row.custom | values["custom"]}
        await self._service.update(record_id, values, expected_version=change.version)
        return "unchanged" if row.version == before else "updated"

    def _found(self, change: RowChange) -> str | None:
        """The id of the record that is meant; None where a new one is."""
        if change.record_id is not None:
            row = self._batch.records.get(change.record_id)
            self._require_unmerged(row)
            if row is None or row.deleted_at is not None:
                raise missing(self._kind.name)
            return change.record_id
        if change.key is None:
            return None
        having = self._having(change.key)
        alive = [one for one in having if self._batch.records[one].deleted_at is None]
        if having and not alive:
            self._require_unmerged(self._batch.records[having[0]])
            raise Deleted("The record with this key is deleted.", id=having[0])
        if len(alive) > 1:
            raise Ambiguous(f"{len(alive)} records have this {change.key[0]}.", ids=alive[:10])
        if alive and change.operation == "create":
            raise AlreadyExists(f"A record with this {change.key[0]} exists.", id=alive[0])
        if not alive and change.operation in ("update", "delete"):
            raise NoMatch(f"No record has this {change.key[0]}.")
        return alive[0] if alive else None

    def _require_unmerged(self, row: AnyRecord | None) -> None:
        if (survivor := getattr(row, "merged_into", None)) is not None:
            raise merged_away(self._kind.name, survivor)

    def _having(self, key: Key) -> list[str]:
        """Records that have a value now: one that was changed meanwhile may have lost it."""
        name, wanted = key[0], compared(*key)
        records = self._batch.records
        found = dict.fromkeys(one for one in self._known.keys.get((name, wanted), ()) if one in records)
        return [one for one in found if compared(name, getattr(records[one], name) or "") == wanted]

    def _remember(self, record_id: str, values: Values) -> None:
        for name in self._kind.keys.values():
            if values.get(name):
                self._known.keys[name, compared(name, values[name])].append(record_id)

    def _require_free(self, values: Values, record_id: str) -> None:
        external_id = values.get("external_id")
        if external_id and any(one != record_id for one in self._having(("external_id", external_id))):
            raise AlreadyExists("Another record has this external_id.", errors=[_at("external_id", "already_exists")])

    def _require_references(self, values: Values) -> None:
        lacking = [path for _, id_, path in references(values) if id_ not in self._known.existing]
        if lacking:
            errors = [_at(path, "not_found") for path in lacking]
            raise ReferenceNotFound(f"Nothing here has the id in {', '.join(lacking)}.", errors=errors)
        for kind, id_, path in references(values):
            if (survivor := self._known.existing[id_]) != id_:
                raise merged_away(kind, survivor, errors=[_at(path, "merged")])

    def _told(self, change: RowChange, record_id: str, status: Any, noted: int) -> Outcome:
        row = self._batch.records[record_id]
        audit = next((one for one in self._batch.work.held.rows[noted:] if isinstance(one, AuditEntry)), None)
        before = (audit.before if audit is not None else None) or {}
        after = (audit.after if audit is not None else None) or {}
        return Outcome(change.index, status, record_id, row.version, before, after)


def references(values: Values) -> list[tuple[str, str, str]]:
    """Kind, id and path of the rows that values refer to."""
    found = [(kind, values[name], name) for name, kind in REFERENCES.items() if values.get(name)]
    for number, person in enumerate(values.get("participants", ())):
        found += [(kind, id_, f"participants.{number}.{path}") for kind, id_, path in references(person)]
    return found


def service_on(batch: Batch, context: WriteContext, kind: Kind, stages: Sequence[Stage]) -> RecordService[Any]:
    """The service of a kind, working on a batch."""
    service = kind.service(context)
    service.records = HeldRecords(batch, table=service.table, kind=service.kind)
    if isinstance(service, OpportunityService):
        service.history = HeldHistory(batch, context.clock.now())
        service.stages = KeptStages(batch.work.session, batch.work.customer_id, stages)
    return service


def _refused(change: RowChange, error: BevylyError) -> Outcome:
    return Outcome(change.index, "refused", change.record_id, error=error)


def _at(path: str, code: str) -> dict[str, str]:
    return {"field": f"body.{path}", "code": code}
