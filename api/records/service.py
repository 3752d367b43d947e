"""How any record of the CRM is created, changed, deleted and restored: version, audit, event, in this order.

An area subclasses `RecordService` and says how its event looks. Names of fields are those of the API; where the column
has another name, `columns` says so.
"""

from datetime import datetime
from typing import Any, ClassVar, Generic

from api.dependencies.work import WriteContext
from api.modules.custom_fields.values import CustomValues
from api.records.repository import Record, RecordRepository
from api.records.trail import Trail, Values, plain
from bevyly.db.scope import EVERY_OWNER
from bevyly.errors import Invalid, PreconditionFailed
from bevyly.ids import new_id

REFERENCES = ("account_id", "contact_id", "lead_id", "opportunity_id")


class RecordService(Generic[Record]):
    """Changes to the records of one kind."""

    table: type[Record]
    kind: ClassVar[str]
    columns: ClassVar[dict[str, str]] = {}
    created_fields: ClassVar[tuple[str, ...]]
    naming_fields: ClassVar[tuple[str, ...]]

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.customer_id = context.principal.customer_id
        self.session = context.work.session
        self.trail = Trail(context)
        self.now = self.trail.now
        self.written: set[str] = set()
        """Fields that the last call gave another value."""
        self.custom = CustomValues(self.session, self.customer_id, self.kind)
        self.records: RecordRepository[Record] = RecordRepository(
            self.session, self.customer_id, table=self.table, kind=self.kind
        )

    async def create(self, values: Values) -> Record:
        """A new record; its owner is who creates it unless said otherwise."""
        await self.require_visible(values)
        if values.get("custom"):
            values = values | {"custom": await self.custom.fitted(values["custom"], {})}
        values = {"owner_id": self.context.principal.user_id} | values
        row = self.table(**{"customer_id": self.customer_id, "id": new_id(), "version": 1} | self._columns(values))
        row.created_at = row.updated_at = self.now
        self.prepare(row)
        await self.context.work.insert(row)
        await self.records.require_living(values.items())
        self.written = set(values)
        await self.created(row)
        self.trail.audit(f"{self.kind}.created", self.subject(row), after=values)
        return row

    async def update(self, record_id: str, changes: Values, *, expected_version: int | None) -> Record:
        """Change fields of a record; the same values again change nothing, not even the version."""
        row = await self.records.lock(record_id)
        require_version(row, expected_version)
        if changes.get("custom"):
            changes = changes | {"custom": await self.custom.fitted(changes["custom"], row.custom)}
        before = {name: self.value(row, name) for name in changes}
        after = {name: value for name, value in changes.items() if before[name] != value}
        self.written = set(after)
        if not after:
            return row
        await self.require_visible(after)
        before = {name: before[name] for name in after}
        for name, value in self._columns(after).items():
            setattr(row, name, value)
        row.updated_at = self.now
        await self.changed(row, before, after)
        self.check(row)
        await self.records.require_living(after.items())
        self.trail.audit(f"{self.kind}.updated", self.subject(row), before=before, after=after)
        return row

    async def delete(self, record_id: str, *, expected_version: int | None) -> None:
        """Hide a record; it can be restored."""
        row = await self.records.lock(record_id)
        require_version(row, expected_version)
        self.set_deleted(row, "deleted", self.now, self.naming(row))

    async def restore(self, record_id: str) -> Record:
        """Bring a deleted record back as it was."""
        row = await self.records.lock(record_id, deleted=True)
        self.set_deleted(row, "restored", None, await self.restored(row))
        return row

    async def require_visible(self, values: Values) -> None:
        """Raise `ReferenceNotFound` for a record that `values` name and that is out of sight.

        An event of another system has its references looked up before.
        """
        if self.context.principal.visible_owners == EVERY_OWNER or self.context.origin is not None:
            return
        named = {name: values[name] for name in REFERENCES if values.get(name) is not None}
        await self.records.require_visible(named)

    def prepare(self, row: Record) -> None:
        """Fill in what an area derives, before a new row is stored."""
        self.check(row)

    def check(self, row: Record) -> None:
        """Refuse what contradicts itself."""

    async def created(self, row: Record) -> None:
        """Tell of a new record."""
        self.trail.emit(f"{self.kind}.created", self.subject(row), sequence=row.version, data=self.payload(row))

    async def changed(self, row: Record, before: Values, after: Values) -> None:
        """Count the version up and tell of a change."""
        self.tell_update(row, before, after)

    def tell_update(self, row: Record, before: Values, after: Values) -> str:
        """One `….updated` event under the next version; returns its id."""
        row.version += 1
        data = {f"{self.kind}_id": row.id, "before": plain(before), "after": plain(after)}
        return self.trail.emit(f"{self.kind}.updated", self.subject(row), sequence=row.version, data=data).id

    async def restored(self, row: Record) -> Values:
        """The data of the event of a record that is back: all of it, since readers may have dropped theirs."""
        return self.payload(row)

    def payload(self, row: Record) -> Values:
        """The data of the event of a new record."""
        return {f"{self.kind}_id": row.id} | {name: self.value(row, name) for name in self.created_fields}

    def naming(self, row: Record) -> Values:
        """The data of the event of a record that goes: when it did, and what it was."""
        return {"deleted_at": self.now} | {name: self.value(row, name) for name in self.naming_fields}

    def value(self, row: Record, field: str) -> Any:
        """The value of a field of the API."""
        return getattr(row, self.columns.get(field, field))

    def subject(self, row: Record) -> tuple[str, str]:
        """Kind and id, as events and audit name the record."""
        return self.kind, row.id

    def _columns(self, values: Values) -> Values:
        return {self.columns.get(name, name): value for name, value in values.items()}

    def set_deleted(self, row: Record, action: str, deleted_at: datetime | None, data: Values) -> None:
        """Hide a record or show it again, and tell of it: `data` is what its event says beside the id."""
        before = row.deleted_at
        row.deleted_at, row.updated_at = deleted_at, self.now
        row.version += 1
        self.trail.emit(
            f"{self.kind}.{action}", self.subject(row), sequence=row.version, data={f"{self.kind}_id": row.id} | data
        )
        after = {"deleted_at": deleted_at} | {name: data[name] for name in ("merged_into",) if name in data}
        self.trail.audit(f"{self.kind}.{action}", self.subject(row), before={"deleted_at": before}, after=after)


def require_version(row: Any, expected: int | None) -> None:
    """Raise `PreconditionFailed` where the caller has read another version."""
    if expected is not None and row.version != expected:
        raise PreconditionFailed("Somebody changed it since you read it.", version=row.version)


def require_currency(value: int | None, currency: str | None, field: str) -> None:
    """Raise `Invalid` for an amount without a currency."""
    if value is not None and currency is None:
        raise Invalid(f"{field} needs a currency.", errors=[{"field": "body.currency", "code": "missing"}])
