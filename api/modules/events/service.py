"""The ingest of events: a batch is tried as a whole, and halved until the rows that the database refuses stand alone.

What can be known before writing (the shape of a row, what it refers to, who sent it before) is known without an error
of the database, so that halving is for what nobody could know: another request that did the same in this moment.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Counter as Metric

from api.dependencies.work import WriteContext
from api.modules.events.applying import Applier, Known
from api.modules.events.errors import IdReused, as_problem
from api.modules.events.kept import Kept
from api.modules.events.kinds import RECORDS
from api.modules.events.reading import Change, Refusal, in_order
from api.modules.events.repository import IngestRepository
from api.modules.opportunities.stages import Stages
from api.records.halves import in_halves
from api.records.held import Batch, HeldWork
from bevyly.errors import BevylyError
from bevyly.events.envelope import Event
from bevyly.events.outbox import outbox_rows

EVENTS = Metric("bevyly_inbound_events_total", "Events that other systems sent.", ["status"])
_YIELD_EVERY = 50


@dataclass(slots=True)
class Result:
    """What became of one event."""

    index: int
    id: str | None
    source: str | None
    status: str
    entity: dict[str, str] | None = None
    event_ids: list[str] = field(default_factory=list)
    first_status: str | None = None
    warnings: list[dict[str, str]] = field(default_factory=list)
    error: BevylyError | None = None

    def document(self) -> dict[str, Any]:
        """As the answer tells it: what there is nothing to say about is left out."""
        values = {name: getattr(self, name) for name in self.__slots__ if name != "error"}
        values["problem"] = None if self.error is None else as_problem(self.error)
        return {name: value for name, value in values.items() if value not in (None, [])}


class EventIngest:
    """Applies events of other systems for one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.customer_id = context.principal.customer_id
        self.session = context.work.session
        self.repository = IngestRepository(self.session, self.customer_id)

    async def ingest(self, rows: Sequence[Change | Refusal]) -> list[Result]:
        """What became of each row, in their order."""
        results = {row.index: _refused(row.event, row.index, row.error) for row in rows if isinstance(row, Refusal)}
        changes = in_order([row for row in rows if isinstance(row, Change)])
        if changes:
            await self.repository.be_patient()
        for result in await in_halves(self.context.work, changes, self._try, _alone):
            results[result.index] = result
        for status, count in Counter(result.status for result in results.values()).items():
            EVENTS.labels(status).inc(count)
        return [results[row.index] for row in rows]

    async def _try(self, changes: Sequence[Change]) -> tuple[list[Result], list[Event]]:
        batch = Batch(HeldWork(self.session, self.customer_id))
        known, seen = await self._prefetch(changes, batch)
        applier, kept, results = Applier(self.context, batch, known), [], []
        for number, change in enumerate(changes):
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
            result = self._again(change, seen.get(change.key)) or await self._one(change, applier, batch, known)
            results.append(result)
            if result.status not in ("duplicate", "refused"):
                kept.append(self._row(change, result))
                seen[change.key] = kept[-1]
        outbox_rows(batch.work.events)
        followed = {row.entity_id for row in kept if row.status != "stale"}
        await self.repository.write(batch, kept, (known.followed[record_id] for record_id in followed))
        return results, batch.work.events

    async def _one(self, change: Change, applier: Applier, batch: Batch, known: Known) -> Result:
        mark = batch.mark(change.entity_id)
        try:
            status = await applier.apply(change)
        except BevylyError as error:
            batch.take_back(mark)
            return _refused({"id": change.event_id, "source": change.source}, change.index, error)
        result = Result(change.index, change.event_id, change.source, status, _entity(change))
        result.event_ids = [event.id for event in batch.work.events[mark.counts[1] :]]
        owner = change.translation.owner
        if owner is not None and owner not in known.owners:
            result.warnings = [{"field": "data.owner_id", "code": "owner_unknown"}]
        return result

    def _again(self, change: Change, seen: Kept | None) -> Result | None:
        """The answer to an event that was dealt with before; None for the first time."""
        if seen is None:
            return None
        if seen.content_hash != change.content_hash:
            error = IdReused(f"{change.source} sent another event under this id before.")
            return _refused({"id": change.event_id, "source": change.source}, change.index, error)
        result = Result(change.index, change.event_id, change.source, "duplicate", _entity(change))
        result.event_ids, result.first_status = list(seen.event_ids), seen.status
        return result

    async def _prefetch(self, changes: Sequence[Change], batch: Batch) -> tuple[Known, dict[str, Kept]]:
        """What the batch must know. Records first: only what is read under their locks cannot change any more."""
        ids = _by_kind((change.kind, change.entity_id) for change in changes)
        batch.load(await self.repository.lock_records(ids))
        seen = await self.repository.events({change.key for change in changes})
        known = Known(await self.repository.followed({change.entity_id for change in changes}))
        activities = ids.get("activity", set()) & batch.records.keys()
        if activities:
            batch.participants = await self.repository.participants(activities)
        references = _by_kind((kind, id_) for change in changes for _, kind, id_ in change.translation.references)
        for kind in RECORDS:
            elsewhere = references.get(kind, set()) - batch.records.keys()
            if elsewhere:
                known.existing |= await self.repository.existing(kind, elsewhere)
            new = [change for change in changes if change.kind == kind and change.entity_id not in batch.records]
            if new:
                known.taken[kind] = await self.repository.taken(kind, set(_external_ids(new)))
        if "opportunity" in ids:
            known.stages = await Stages(self.session, self.customer_id).all(None)
        owners = {change.translation.owner for change in changes} - {None}
        if owners:
            known.owners = await self.repository.owners({owner for owner in owners if owner})
        return known, seen

    def _row(self, change: Change, result: Result) -> Kept:
        return Kept(
            id=change.key,
            source=change.source,
            event_id=change.event_id,
            type=change.type,
            content_hash=change.content_hash,
            status=result.status,
            entity_type=change.kind,
            entity_id=change.entity_id,
            event_ids=result.event_ids,
            received_at=self.context.clock.now(),
        )


def _entity(change: Change) -> dict[str, str]:
    return {"type": change.kind, "id": change.entity_id, "external_id": change.translation.external_id}


def _refused(event: Any, index: int, error: BevylyError) -> Result:
    """The answer to an event that took no effect; what it says of itself is repeated where it is a text."""
    said = event if isinstance(event, dict) else {}
    texts = {name: value for name in ("id", "source") if isinstance(value := said.get(name), str)}
    return Result(index, texts.get("id"), texts.get("source"), "refused", error=error)


def _by_kind(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for kind, record_id in pairs:
        found.setdefault(kind, set()).add(record_id)
    return found


def _external_ids(changes: Iterable[Change]) -> Iterable[str]:
    for change in changes:
        yield change.translation.external_id
        yield f"{change.source}#{change.translation.external_id}"


def _alone(change: Change, error: BevylyError) -> Result:
    return _refused({"id": change.event_id, "source": change.source}, change.index, error)
