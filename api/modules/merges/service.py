"""Merging records of one kind, and taking a merge back: one transaction each, every record held in the order of ids.

The record that stays keeps its identity. Those that go are deleted and name it (`merged_into`), always the final one:
who was merged into a record that goes now, goes along. What a merge did is kept (`merges`), so that it can be taken
back.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from api.dependencies.work import WriteContext
from api.modules.accounts.service import AccountService
from api.modules.contacts.service import ContactService
from api.modules.leads.service import LeadService
from api.modules.merges.errors import AlreadyUnmerged, NotMergeable
from api.modules.merges.fields import differences, merged_fields, put_back
from api.modules.merges.references import REFERENCES, Reference
from api.modules.merges.repository import MergeRepository, Moved
from api.modules.sequences.stopping import TWINS, Moment, Stops
from api.records.repository import merged_away, missing
from api.records.service import RecordService, require_version
from api.records.trail import Values, plain
from bevyly.db.schema import Lead, Merge
from bevyly.errors import Invalid, NotFound
from bevyly.ids import is_id, new_id

SERVICES: dict[str, type[RecordService[Any]]] = {
    "account": AccountService,
    "contact": ContactService,
    "lead": LeadService,
}
MovedIds = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class Merged:
    """What a merge did, or took back: who, which fields of the survivor, how many rows by table and column."""

    merge_id: str
    kind: str
    survivor_id: str
    other_ids: list[str]
    changed: list[str]
    moved: dict[str, int]
    version: int


class MergeService:
    """Merges of the records of one kind, for one tenant."""

    def __init__(self, context: WriteContext, kind: str) -> None:
        self.kind = kind
        self.context = context
        self.records = SERVICES[kind](context)
        self.trail = self.records.trail
        self.now = self.trail.now
        self.actor_id = context.principal.actor_id
        self.session, self.customer_id = context.work.session, context.principal.customer_id
        self.repository = MergeRepository(self.session, self.customer_id)

    async def merge(self, survivor_id: str, wanted: Values, *, expected_version: int | None) -> Merged:
        """Merge `other_ids` into the survivor, with `fields` and `versions` as the request has them.

        Raises `NotFound`, `RecordMerged`, `PreconditionFailed`, `NotMergeable` or `Invalid`.
        """
        others = self._others(survivor_id, wanted["other_ids"])
        rows = await self.repository.lock(self.records.table, [survivor_id, *others])
        survivor = self._living(rows, survivor_id)
        losers = [self._living(rows, id_) for id_ in others]
        require_version(survivor, expected_version)
        for record_id, version in wanted.get("versions", {}).items():
            require_version(self._living(rows, record_id), version)
        winners = wanted.get("fields", {})
        if self.kind == "lead":
            _require_unconverted(survivor, losers, winners)
        fields = [(survivor.id, self._fields(survivor)), *[(row.id, await self._taken(row, winners)) for row in losers]]
        before, after = differences(fields[0][1], merged_fields(fields, winners))
        if "custom" in after:
            after["custom"] = await self.records.custom.fitted(after["custom"], survivor.custom, settled=True)
        self._set(survivor, after)
        self._tell("merged", survivor, {"absorbed_ids": others}, before, after)
        for row in losers:
            row.merged_into = survivor.id
            self.records.set_deleted(row, "deleted", self.now, self.records.naming(row) | {"merged_into": survivor.id})
        await self.session.flush()
        await self._leave_one_way([survivor.id, *others], survivor.id)
        moved = await self._move({row.id: (row.id, survivor.id, None) for row in losers})
        merge = Merge(
            customer_id=self.customer_id,
            id=new_id(),
            kind=self.kind,
            survivor_id=survivor.id,
            absorbed_ids=others,
            before=plain(before),
            after=plain(after),
            moved=moved,
            merged_by=self.actor_id,
            created_at=self.now,
        )
        self.session.add(merge)
        return _done(merge, survivor, sorted(after), moved)

    async def unmerge(self, survivor_id: str, merge_id: str, *, expected_version: int | None) -> Merged:
        """Take a merge back: who went returns, and takes along what has not been moved since.

        Raises `NotFound`, `RecordMerged`, `PreconditionFailed`, `AlreadyUnmerged` or `NotMergeable`.
        """
        merge = await self.repository.lock_merge(merge_id)
        if merge is None or merge.kind != self.kind or merge.survivor_id != survivor_id:
            raise NotFound("There is no such merge.")
        if merge.undone_at is not None:
            raise AlreadyUnmerged("This merge was taken back before.")
        rows = await self.repository.lock(self.records.table, [survivor_id, *merge.absorbed_ids])
        survivor = self._living(rows, survivor_id)
        require_version(survivor, expected_version)
        released = [rows[id_] for id_ in merge.absorbed_ids if id_ in rows]
        if len(released) < len(merge.absorbed_ids) or any(row.merged_into != survivor_id for row in released):
            raise NotMergeable("A record of this merge is no longer there to come back.")
        current = self._fields(survivor)
        after = put_back(current, merge.before, merge.after)
        before = {name: current[name] for name in after}
        self._set(survivor, after)
        self._tell("unmerged", survivor, {"released_ids": merge.absorbed_ids}, before, after)
        for row in released:
            row.merged_into = None
            self.records.set_deleted(row, "restored", None, await self.records.restored(row))
        merge.undone_at, merge.undone_by = self.now, self.actor_id
        await self.session.flush()
        moved = await self._move({row.id: (survivor_id, row.id, merge.moved) for row in released})
        return _done(merge, survivor, sorted(after), moved)

    def _others(self, survivor_id: str, other_ids: list[str]) -> list[str]:
        if not is_id(survivor_id):
            raise missing(self.kind)
        others = list(dict.fromkeys(other_ids))
        if survivor_id in others:
            errors = [{"field": "body.other_ids", "code": "survivor"}]
            raise Invalid("A record cannot be merged into itself.", errors=errors)
        return others

    def _living(self, rows: dict[str, Any], record_id: str) -> Any:
        row = rows.get(record_id)
        if row is not None and row.merged_into is not None:
            raise merged_away(self.kind, row.merged_into)
        if row is None or row.deleted_at is not None:
            raise missing(self.kind)
        return row

    def _fields(self, row: Any) -> Values:
        """What a merge decides about: all fields that a new record is told with."""
        return {name: self.records.value(row, name) for name in self.records.created_fields}

    async def _taken(self, row: Any, winners: Collection[str]) -> Values:
        """Fields of a record that goes, without what its survivor could not hold, unless the request names it."""
        named = {name.removeprefix("custom.") for name in winners if name.startswith("custom.")}
        return self._fields(row) | {"custom": await self.records.custom.movable(row.custom, besides=named)}

    def _set(self, row: Any, values: Values) -> None:
        for name, value in values.items():
            setattr(row, self.records.columns.get(name, name), value)
        row.version, row.updated_at = row.version + 1, self.now
        self.records.check(row)

    def _tell(self, action: str, row: Any, others: Values, before: Values, after: Values) -> None:
        subject = self.records.subject(row)
        data = {f"{self.kind}_id": row.id, **others, "before": plain(before), "after": plain(after)}
        self.trail.emit(f"{self.kind}.{action}", subject, sequence=row.version, data=data)
        self.trail.audit(f"{self.kind}.{action}", subject, before=before, after=after | others)

    async def _leave_one_way(self, ids: list[str], survivor_id: str) -> None:
        """Who becomes one person is not on the way through one sequence twice."""
        if self.kind in TWINS:
            moment = Moment(self.now, request_id=self.context.request_id)
            await Stops(self.context.work).where(TWINS[self.kind], "merged", moment, values=ids, survivor=survivor_id)

    async def _move(self, steps: dict[str, tuple[str, str, MovedIds | None]]) -> MovedIds:
        """Re-point what refers to records; `steps` by loser: from, to, and the rows, or None for all."""
        moved: MovedIds = {}
        for reference in REFERENCES[self.kind]:
            for loser, (old, new, recorded) in sorted(steps.items()):
                only = None if recorded is None else recorded.get(reference.name, {}).get(loser, [])
                if only == []:
                    continue
                rows = await self.repository.repoint(reference, old, new, now=self.now, only=only)
                if rows:
                    moved.setdefault(reference.name, {})[loser] = [row.id for row in rows]
                    self._tell_moved(reference, rows, old, new)
        return moved

    def _tell_moved(self, reference: Reference, rows: list[Moved], old: str, new: str) -> None:
        """Tell of re-pointed rows. Activities have no event of a change: who reads theirs follows the merge itself."""
        kind, column = reference.kind, reference.column
        if kind is None:
            return
        for row in rows:
            if reference.is_tombstone:
                action, data = "deleted", {"deleted_at": self.now, "merged_into": new}
            else:
                action, data = "updated", {"before": {column: old}, "after": {column: new}}
            data = {f"{kind}_id": row.id} | data
            self.trail.emit(f"{kind}.{action}", (kind, row.id), sequence=row.version, data=data)


def _require_unconverted(survivor: Lead, losers: list[Lead], winners: dict[str, str]) -> None:
    """A converted lead is what became of a sale: it may take others in, and stays as it is."""
    if any(row.converted_at is not None for row in losers):
        raise NotMergeable("A converted lead can only be the one that stays.")
    if survivor.converted_at is not None and winners.get("status", survivor.id) != survivor.id:
        raise NotMergeable("A converted lead keeps its status.")


def _done(merge: Merge, survivor: Any, changed: list[str], moved: MovedIds) -> Merged:
    counts = {name: sum(map(len, by_loser.values())) for name, by_loser in moved.items()}
    return Merged(merge.id, merge.kind, merge.survivor_id, merge.absorbed_ids, changed, counts, survivor.version)
