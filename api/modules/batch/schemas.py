"""Shapes of batches: rows as they are sent, what became of them."""

from typing import Any

from pydantic import Field, JsonValue, StrictBool, ValidationError

from api.modules.batch.changes import Operation, RowChange, Status
from api.modules.batch.kinds import Kind
from api.routing import has_nul
from api.schemas import Id, Input, Output
from bevyly.errors import Invalid

MAX_ROWS = 1_000
_OPERATIONS = ("create", "update", "upsert", "delete")
_WORDS = ("op", "id", "version")


class Batch(Input):
    """Rows to apply, in their order. A row is the fields of one record beside `op`, `id` and `version`."""

    atomic: StrictBool = Field(default=False, description="all rows take effect, or none")
    rows: list[dict[str, JsonValue]] = Field(
        min_length=1,
        max_length=MAX_ROWS,
        description=(
            "`op`: create, update (by `id`), upsert (by `external_id`), delete (by `id`). `version` is the one that an "
            "update or delete is meant for. All other members are fields as for a single record."
        ),
    )


class BatchRow(Output):
    """What became of one row."""

    index: int = Field(description="place in the call, from 0")
    status: Status
    id: Id | None = None
    version: int | None = None
    problem: dict[str, JsonValue] | None = Field(default=None, description="of a refused one")


class RowsResult(Output):
    """What became of the rows, in their order."""

    counts: dict[Status, int]
    results: list[BatchRow]


def change_of(index: int, row: dict[str, Any], kind: Kind) -> RowChange:
    """A row as a change; raises `Invalid`."""
    if has_nul(row):
        raise Invalid("A text contains a character that cannot be stored (NUL).")
    operation, record_id, version = (row.get(word) for word in _WORDS)
    if operation not in _OPERATIONS:
        raise _invalid("op", "literal_error", f"one of {', '.join(_OPERATIONS)}")
    if (operation in ("update", "delete")) != isinstance(record_id, str) or ("id" in row and record_id is None):
        raise _invalid("id", "missing", "update and delete name the record by its id, the others do not")
    if version is not None and (type(version) is not int or not 0 < version < 2**31 or record_id is None):
        raise _invalid("version", "int_type", "the version of the record that is meant, for update and delete")
    fields = {name: value for name, value in row.items() if name not in _WORDS}
    if operation == "delete":
        if fields:
            raise _invalid(next(iter(fields)), "extra_forbidden", "a deletion has no fields")
        return RowChange(index, "delete", {}, str(record_id), version=version)
    values = validated(kind, fields, new=operation == "create" or (operation == "upsert" and not kind.upserts_change))
    key = None
    if operation == "upsert":
        if not values.get("external_id"):
            raise _invalid("external_id", "missing", "Field required")
        key = ("external_id", values["external_id"])
    return RowChange(index, _operation(operation), values, record_id, key, version, merges_custom=operation == "upsert")


def validated(kind: Kind, fields: dict[str, Any], *, new: bool) -> dict[str, Any]:
    """Fields of a record by the rules for a single one; raises `Invalid`."""
    model = kind.create if new else kind.change
    try:
        return model.model_validate(fields).model_dump(exclude_unset=True)
    except ValidationError as error:
        errors = [
            {"field": ".".join(["body", *map(str, one["loc"])]), "code": one["type"], "message": one["msg"]}
            for one in error.errors(include_url=False)
        ]
        raise Invalid("Some fields are not valid.", errors=errors) from None


def _operation(text: Any) -> Operation:
    operation: Operation = text
    return operation


def _invalid(name: str, code: str, message: str) -> Invalid:
    return Invalid("Some fields are not valid.", errors=[{"field": f"body.{name}", "code": code, "message": message}])
