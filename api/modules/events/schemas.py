"""Shapes of the answers to events, and the documentation of what may be sent."""

from typing import Any, Literal

from pydantic import Field, JsonValue

from api.modules.events.kinds import ACCEPTED
from api.modules.events.reading import BATCH, JSON, SINGLE, CloudEvent
from api.schemas import Id, Output

MAX_EVENTS = 1_000
Status = Literal["created", "updated", "deleted", "unchanged", "stale", "duplicate", "refused"]
STATUSES: tuple[Status, ...] = ("created", "updated", "deleted", "unchanged", "stale", "duplicate", "refused")


class Entity(Output):
    """The record that an event is about: our id and theirs."""

    type: str
    id: Id
    external_id: str


class Warned(Output):
    """What was left out of an event that was applied."""

    field: str
    code: Literal["owner_unknown"]


class EventResult(Output):
    """What became of one event."""

    index: int = Field(description="place in the call, from 0")
    id: str | None = None
    source: str | None = None
    status: Status
    entity: Entity | None = None
    event_ids: list[Id] = Field(default_factory=list, description="events of ours that it caused")
    first_status: Status | None = Field(default=None, description="of a duplicate: what became of it the first time")
    warnings: list[Warned] = Field(default_factory=list)
    problem: dict[str, JsonValue] | None = Field(
        default=None, description="of a refused one: code, status, detail, errors"
    )


class BatchResult(Output):
    """What became of the events of a call, in their order."""

    counts: dict[Status, int]
    results: list[EventResult]


def _event(id_: str, type_: str, time: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"specversion": "1.0", "id": id_, "source": "salesforce/eu", "type": type_, "time": time, "data": data}


EXAMPLE = _event(
    "00Q1G00000nDnM5-1",
    "lead.created",
    "2026-11-20T09:30:00Z",
    {"lead_id": "00Q1G00000nDnM5", "company_name": "Glass & Co", "contact_email": "gia@glass.example", "status": "new"},
)
BATCH_EXAMPLE = [
    _event(
        "0011G00000eM9wv-1",
        "account.created",
        "2026-11-02T08:00:00Z",
        {"account_id": "0011G00000eM9wv", "name": "Steel & Sons", "domain": "steel.example", "employee_count": 120},
    ),
    _event(
        "00T1G00003Ufap9-1",
        "call.completed",
        "2026-11-20T10:05:00Z",
        {"activity_id": "00T1G00003Ufap9", "account_id": "0011G00000eM9wv", "duration_seconds": 340},
    ),
]


def cloud_event() -> dict[str, Any]:
    """The schema of one event, which the document has under its name."""
    event = CloudEvent.model_json_schema()
    event["properties"]["type"]["enum"] = sorted(ACCEPTED)
    return event


def request_body() -> dict[str, Any]:
    """The OpenAPI description of the body: one event or many, in three media types."""
    event = {"$ref": "#/components/schemas/CloudEvent"}
    many = {"type": "array", "items": event, "maxItems": MAX_EVENTS}
    return {
        "required": True,
        "content": {
            SINGLE: {"schema": event, "example": EXAMPLE},
            BATCH: {"schema": many, "example": BATCH_EXAMPLE},
            JSON: {"schema": {"oneOf": [event, many]}, "example": BATCH_EXAMPLE},
        },
    }
