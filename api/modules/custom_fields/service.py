"""What may be done with definitions of custom fields. Values are judged elsewhere, when records are written."""

from typing import Any

from api.dependencies.work import WriteContext
from api.modules.custom_fields.errors import CustomFieldInUse, TooManyCustomFields
from api.modules.custom_fields.repository import CustomFieldRepository
from api.modules.custom_fields.types import CHOSEN
from api.records.service import require_version
from api.records.trail import Trail, Values
from bevyly.db.schema import CustomField
from bevyly.errors import Invalid
from bevyly.ids import new_id

MAX_FIELDS = 200
"""Definitions for one kind of records: as many as a page shows, and as a record may have keys."""


class CustomFieldService:
    """Definitions of one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.customer_id = context.principal.customer_id
        self.session = context.work.session
        self.trail = Trail(context)
        self.fields = CustomFieldRepository(self.session, self.customer_id)

    async def create(self, values: Values) -> CustomField:
        """A new definition; raises `TooManyCustomFields` or `Invalid`."""
        if await self.fields.count(values["object"]) >= MAX_FIELDS:
            raise TooManyCustomFields(f"There are {MAX_FIELDS} fields of this kind already; that is as many as may be.")
        now = self.trail.now
        row = CustomField(customer_id=self.customer_id, id=new_id(), version=1, created_at=now, updated_at=now)
        for name, value in values.items():
            setattr(row, name, value)
        _require_shape(row)
        self.session.add(row)
        await self.session.flush()
        self.trail.audit("custom_field.created", ("custom_field", row.id), after=values)
        return row

    async def update(self, field_id: str, changes: Values, *, expected_version: int | None) -> CustomField:
        """Change a definition; values that records have stay as they are. The same again changes nothing."""
        row = await self.fields.lock(field_id)
        require_version(row, expected_version)
        before = {name: getattr(row, name) for name in changes}
        after = {name: value for name, value in changes.items() if value != before[name]}
        if not after:
            return row
        if "options" in after:
            _require_options(before["options"], after["options"])
        for name, value in after.items():
            setattr(row, name, value)
        _require_shape(row)
        row.version += 1
        row.updated_at = self.trail.now
        changed = {name: before[name] for name in after}
        self.trail.audit("custom_field.updated", ("custom_field", row.id), before=changed, after=after)
        return row

    async def delete(self, field_id: str, *, expected_version: int | None) -> None:
        """Forget a definition that no record has a value of; raises `CustomFieldInUse`."""
        row = await self.fields.lock(field_id)
        require_version(row, expected_version)
        count = await self.fields.values(row.object, row.key)
        if count:
            raise CustomFieldInUse(f"{count:,} records have values of this field: archive it instead.", values=count)
        before = {name: getattr(row, name) for name in ("object", "key", "label", "type")}
        self.trail.audit("custom_field.deleted", ("custom_field", row.id), before=before)
        await self.session.delete(row)


def _require_shape(row: CustomField) -> None:
    """Raise `Invalid` for what does not belong to the type."""
    if bool(row.options) != (row.type in CHOSEN):
        raise _invalid("options", "options belong to select and multi_select, which have at least one")
    if row.max_length is not None and row.type != "text":
        raise _invalid("max_length", "only a text has a length")
    for name in ("minimum", "maximum"):
        if getattr(row, name) is not None and row.type != "number":
            raise _invalid(name, "only a number has bounds")
    if row.minimum is not None and row.maximum is not None and row.minimum > row.maximum:
        raise _invalid("maximum", "lies below the minimum")


def _require_options(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    kept = {option["value"] for option in after}
    lacking = [option["value"] for option in before if option["value"] not in kept]
    if lacking:
        raise _invalid("options", f"{lacking[0]} is left out: archive it, since records may have it")


def _invalid(name: str, message: str) -> Invalid:
    errors = [{"field": f"body.{name}", "code": "value_error", "message": message}]
    return Invalid("The field cannot be like this.", errors=errors)
