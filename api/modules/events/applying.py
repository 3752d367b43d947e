"""One event applied to a batch: through the services of the API, at the time and with the origin that it has.

Which of two changes is the newer one is decided here: an event that is older than what is known takes no effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from api.dependencies.work import Origin, WriteContext
from api.modules.accounts.service import AccountService
from api.modules.contacts.service import ContactService
from api.modules.custom_fields.values import CustomValues
from api.modules.events.activities import InboundActivities
from api.modules.events.data import MAX_ID, REQUIRED
from api.modules.events.errors import DeleteNotAllowed, RecordUnknown, invalid
from api.modules.events.kept import Followed
from api.modules.events.kinds import PLURALS
from api.modules.events.reading import Change
from api.modules.events.stages import KnownStages
from api.modules.leads.conversion import LeadConversion
from api.modules.leads.service import LeadService
from api.modules.opportunities.service import OpportunityService
from api.modules.opportunities.stages import Stage
from api.problems import ReferenceNotFound
from api.records.held import AnyRecord, Batch, HeldHistory, HeldRecords
from api.records.service import RecordService
from api.records.trail import Values
from bevyly.clock import FixedClock
from bevyly.db.schema import Lead

_SERVICES: dict[str, type[RecordService[Any]]] = {
    "account": AccountService,
    "contact": ContactService,
    "lead": LeadService,
    "opportunity": OpportunityService,
}


@dataclass
class Known:
    """What the database says about the records and names that a batch mentions."""

    followed: dict[str, Followed] = field(default_factory=dict)
    existing: dict[str, str] = field(default_factory=dict)
    """Records that the batch refers to, and who stands for each: itself, or what it was merged into."""
    taken: dict[str, set[str]] = field(default_factory=dict)
    """External ids that other records have, by kind."""
    owners: dict[str, str] = field(default_factory=dict)
    stages: Sequence[Stage] = ()
    """Where the batch is about deals."""


class Applier:
    """Applies events to a batch, one after the other."""

    def __init__(self, context: WriteContext, batch: Batch, known: Known) -> None:
        self._context = context
        self._batch = batch
        self._known = known
        self._now = context.clock.now()
        self._custom: dict[str, CustomValues] = {}
        self._stages = KnownStages(batch.work.session, batch.work.customer_id, known.stages)

    async def apply(self, change: Change) -> str:
        """The status of an event after its effect; raises what the services raise, and `DeleteNotAllowed`."""
        change = await self._staged(change)
        row, followed = self._batch.records.get(change.entity_id), self._known.followed.get(change.entity_id)
        change = _timed(change, row, followed)
        if self._is_stale(change, row, followed):
            return "stale"
        if change.accepted.action == "delete":
            status = await self._delete(change, row)
        elif change.kind == "activity":
            status = await self._activity(self._with_survivors(change), row)
        else:
            status = await self._record(self._with_survivors(change), row)
        self._follow(change)
        return status

    async def _staged(self, change: Change) -> Change:
        """The event with the key of the stage that it names; raises `InvalidEvent`."""
        told = change.translation
        if change.kind != "opportunity" or "stage" not in told.fields:
            return change
        stage = await self._stages.require(told.fields["stage"])
        if told.status not in (None, stage.kind):
            raise invalid(("data.status", "contradicts_stage", f"is not the status of a deal in {stage.key}"))
        return replace(change, translation=replace(told, fields=told.fields | {"stage": stage.key}))

    def _is_stale(self, change: Change, row: AnyRecord | None, followed: Followed | None) -> bool:
        """Older than its source's latest event, or than what a person did since; what a person deleted stays so."""
        if followed is not None and change.time < followed.source_time:
            return True
        if row is None or row.version == (followed.version if followed else 0):
            return False
        return row.deleted_at is not None or row.updated_at > change.time

    async def _delete(self, change: Change, row: AnyRecord | None) -> str:
        permission = f"{PLURALS[change.kind]}:delete"
        if permission not in self._context.principal.permissions:
            raise DeleteNotAllowed(f"This needs the permission {permission}.", permission=permission)
        if row is None or row.deleted_at is not None:
            return "unchanged"
        await self._service(change).delete(row.id, expected_version=None)
        return "deleted"

    async def _record(self, change: Change, row: AnyRecord | None) -> str:
        action, service = change.accepted.action, self._service(change)
        if row is None and action != "create":
            raise RecordUnknown(f"{change.source} has created no {change.kind} with this id here.")
        if row is None:
            await self._create(change, service)
            return "created"
        version = row.version
        if row.deleted_at is not None:
            await service.restore(row.id)
        if action == "convert":
            assert isinstance(row, Lead)
            return await self._convert(change, row)
        await service.update(row.id, self._changes(change, row), expected_version=None)
        return "unchanged" if row.version == version else "updated"

    async def _create(self, change: Change, service: RecordService[Any]) -> None:
        fields = change.translation.fields
        required = REQUIRED.get(change.kind, ())
        lacking = [(f"data.{name}", "missing", "Field required") for name in required if name not in fields]
        if lacking:
            raise invalid(*lacking)
        ours = {"id": change.entity_id, "external_id": self._external_id(change)}
        row = await service.create({"custom": {}, "tags": []} | fields | {"owner_id": self._owner(change)} | ours)
        self._batch.records[row.id] = row

    async def _convert(self, change: Change, row: Lead) -> str:
        became = {name: value for name, value in change.translation.fields.items() if value is not None}
        if row.converted_at is not None and all(getattr(row, name) == value for name, value in became.items()):
            return "unchanged"
        await LeadConversion(self._of(change)).record(row, became)
        return "updated"

    async def _activity(self, change: Change, row: AnyRecord | None) -> str:
        service = self._service(change)
        assert isinstance(service, InboundActivities)
        fields, owner = change.translation.fields, self._owner(change)
        if row is None:
            ours = {"owner_id": owner, "external_id": self._external_id(change)}
            self._batch.records[change.entity_id] = await service.happened(change.entity_id, fields | ours)
            return "created"
        version = row.version
        if row.deleted_at is not None:
            await service.restore(row.id)
        await service.told_again(row, fields | ({"owner_id": owner} if owner else {}))  # type: ignore[arg-type]  # the kind fits
        return "unchanged" if row.version == version else "updated"

    def _changes(self, change: Change, row: AnyRecord) -> Values:
        """Fields to change: own fields of the tenant are merged, a converted lead has no other status any more."""
        changes = dict(change.translation.fields)
        if "custom" in changes:
            changes["custom"] = {**row.custom, **changes["custom"]}
        owner = self._owner(change)
        if change.translation.has_owner and (owner is not None or change.translation.owner is None):
            changes["owner_id"] = owner
        if isinstance(row, Lead) and row.converted_at is not None:
            changes.pop("status", None)
        return changes

    def _owner(self, change: Change) -> str | None:
        """The user behind the owner that the sender names; nobody where we have no such user."""
        return self._known.owners.get(change.translation.owner or "")

    def _external_id(self, change: Change) -> str | None:
        """Their id, with the source before it where another record has it already; None where that is too long."""
        taken, wanted = self._known.taken.setdefault(change.kind, set()), change.translation.external_id
        if wanted in taken:
            wanted = f"{change.source}#{wanted}"
        if wanted in taken or len(wanted) > MAX_ID:
            return None
        taken.add(wanted)
        return wanted

    def _with_survivors(self, change: Change) -> Change:
        """The event, about the records that stand for those it names; raises `ReferenceNotFound`."""
        self._require_references(change)
        ids = {id_: self._stands_for(id_) for _, _, id_ in change.translation.references}
        if all(id_ == survivor for id_, survivor in ids.items()):
            return change
        fields = _renamed(change.translation.fields, ids)
        if "participants" in fields:
            fields["participants"] = [_renamed(person, ids) for person in fields["participants"]]
        return replace(change, translation=replace(change.translation, fields=fields))

    def _stands_for(self, record_id: str) -> str:
        row = self._batch.records.get(record_id)
        return self._known.existing.get(record_id) or getattr(row, "merged_into", None) or record_id

    def _require_references(self, change: Change) -> None:
        missing = [
            {"field": path, "code": "not_found"}
            for path, _, record_id in change.translation.references
            if record_id not in self._batch.records and record_id not in self._known.existing
        ]
        if missing:
            names = ", ".join(one["field"] for one in missing)
            raise ReferenceNotFound(f"{change.source} has created no record with the id in {names}.", errors=missing)

    def _follow(self, change: Change) -> None:
        row = self._batch.records.get(change.entity_id)
        self._known.followed[change.entity_id] = Followed(
            id=change.entity_id,
            source=change.source,
            entity_type=change.kind,
            external_id=change.translation.external_id,
            source_time=change.time,
            version=row.version if row is not None else 0,
        )

    def _of(self, change: Change) -> WriteContext:
        """The context in which services apply this event."""
        origin = Origin(change.source, change.event_id, change.recorded_at, self._now)
        return replace(self._context, work=self._batch.work, clock=FixedClock(change.time), origin=origin)

    def _service(self, change: Change) -> RecordService[Any]:
        context = self._of(change)
        if change.kind == "activity":
            service: RecordService[Any] = InboundActivities(context, self._batch, change.type)
        else:
            service = _SERVICES[change.kind](context)
        if isinstance(service, OpportunityService):
            service.history = HeldHistory(self._batch, change.recorded_at)
            service.stages = self._stages
        service.custom = self._custom.setdefault(change.kind, service.custom)
        service.records = HeldRecords(self._batch, table=service.table, kind=service.kind)
        return service


def _renamed(fields: Values, ids: dict[str, str]) -> Values:
    """`fields` with what they refer to by the ids of those that stand for it."""
    return {name: ids.get(value, value) if name.endswith("_id") else value for name, value in fields.items()}


def _timed(change: Change, row: AnyRecord | None, followed: Followed | None) -> Change:
    """The event; one without a time of its own happens after all that is known, however long it waited for others."""
    if change.is_timed:
        return change
    latest = max(change.time, followed.source_time if followed else change.time, row.updated_at if row else change.time)
    return replace(change, time=latest, recorded_at=max(latest, change.recorded_at))
