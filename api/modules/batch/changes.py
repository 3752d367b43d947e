"""One change of many, and what became of it."""

from dataclasses import dataclass, field
from typing import Any, Literal

from api.records.trail import Values
from bevyly.errors import BevylyError

Operation = Literal["create", "update", "upsert", "delete"]
Status = Literal["created", "updated", "unchanged", "deleted", "refused"]


@dataclass(frozen=True, slots=True)
class RowChange:
    """What is wanted of one record: found by `record_id`, or by a field and its value in `key`."""

    index: int
    operation: Operation
    values: Values = field(default_factory=dict)
    record_id: str | None = None
    key: tuple[str, str] | None = None
    version: int | None = None
    merges_custom: bool = False
    """Whether `custom` adds to what the record has, instead of standing for it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it; `before` and `after` hold the fields that differ, as JSON has them."""

    index: int
    status: Status
    id: str | None = None
    version: int | None = None
    before: Values = field(default_factory=dict)
    after: Values = field(default_factory=dict)
    error: BevylyError | None = None

    def document(self) -> dict[str, Any]:
        """As an answer tells it; fields of errors are named by their place in the body."""
        told: dict[str, Any] = {"index": self.index, "status": self.status, "id": self.id, "version": self.version}
        if self.error is not None:
            context = dict(self.error.context)
            if "errors" in context:
                context["errors"] = [_placed(one, self.index) for one in context["errors"]]
            told["problem"] = {
                "code": self.error.code,
                "status": self.error.status,
                "detail": self.error.detail,
            } | context
        return {name: value for name, value in told.items() if value is not None}


def _placed(error: dict[str, Any], index: int) -> dict[str, Any]:
    return error | {"field": error["field"].replace("body", f"body.rows.{index}", 1)}
