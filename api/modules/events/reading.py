"""From the body of a request to changes with our ids: what can be said of each event without asking the database."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from api.modules.events.data import Translation, translate
from api.modules.events.errors import InFuture, TypeNotAccepted, UnsupportedMediaType, invalid
from api.modules.events.kinds import ACCEPTED, CONVERSION_RANK, RANKS, Accepted
from api.routing import has_nul
from api.schemas import Instant
from bevyly.errors import BevylyError, Invalid
from bevyly.ids import derived_id

SINGLE, BATCH, JSON = "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"
OURS = "bevyly"
SKEW = timedelta(minutes=10)
_HASHED = ("type", "subject", "time", "recordedtime", "data")

Line = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\u0000]*$")]


class CloudEvent(BaseModel):
    """One event as CloudEvents 1.0 in JSON. Other extension attributes are allowed, and not kept."""

    model_config = ConfigDict(extra="ignore")

    specversion: Literal["1.0"]
    id: Line = Field(description="unique within `source`: what makes it safe to send an event again")
    source: Line = Field(description="the system that sends, for example `salesforce/eu`; ids of records belong to it")
    type: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    subject: Line | None = Field(default=None, description="`<kind>/<id>`, where `data` does not name the record")
    time: Instant | None = Field(default=None, description="when it happened; now where left out")
    recordedtime: Instant | None = Field(
        default=None,
        description="when your system learned of it, for histories that are sent later; now where left out",
    )
    datacontenttype: Literal["application/json"] = "application/json"
    schemaversion: Literal[1, 2] = 1
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One event that can be applied: what it does to which of our records."""

    index: int
    source: str
    event_id: str
    type: str
    accepted: Accepted
    time: datetime
    is_timed: bool
    """Whether the sender said when it happened; otherwise it happens when it takes effect."""
    recorded_at: datetime
    key: str
    """Id of the row that keeps it."""
    content_hash: str
    entity_id: str
    translation: Translation = field(repr=False)

    @property
    def kind(self) -> str:
        """The kind of its record."""
        return self.accepted.kind


@dataclass(frozen=True, slots=True)
class Refusal:
    """One event that cannot be applied, whatever the database says."""

    index: int
    event: Any
    error: BevylyError


def rows_of(body: bytes, content_type: str) -> tuple[list[Any], bool]:
    """The events in a body, and whether it is a single one; raises `UnsupportedMediaType` or `Invalid`."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in (SINGLE, BATCH, JSON):
        raise UnsupportedMediaType(f"Send {SINGLE}, {BATCH} or {JSON}.")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Invalid("The body is not JSON.") from None
    if isinstance(document, dict) and media_type != BATCH:
        return [document], True
    if isinstance(document, list) and media_type != SINGLE:
        return document, False
    raise Invalid(f"{media_type} takes {'an array' if media_type == BATCH else 'an object'}.")


def read(index: int, raw: Any, *, customer_id: str, now: datetime, may_have_nul: bool) -> Change | Refusal:
    """One event of a body for one tenant."""
    try:
        if may_have_nul and has_nul(raw):
            raise Invalid("A text contains a character that cannot be stored (NUL).")
        return _read(index, raw, customer_id, now)
    except ValidationError as error:
        found = [(".".join(map(str, one["loc"])), one["type"], one["msg"]) for one in error.errors()]
        return Refusal(index, raw, invalid(*found))
    except BevylyError as error:
        return Refusal(index, raw, error)


def _read(index: int, raw: Any, customer_id: str, now: datetime) -> Change:
    event = CloudEvent.model_validate(raw)
    if event.source.partition("/")[0] == OURS:
        raise invalid(("source", "reserved", f"sources of the name {OURS} are our own"))
    accepted = ACCEPTED.get(event.type)
    if accepted is None:
        raise TypeNotAccepted(f"Events of type {event.type} cannot be sent.", accepted=sorted(ACCEPTED))
    time, recorded_at = _times(event, now)
    translation = translate(accepted, event.type, event.data, event.subject, tenant=customer_id, source=event.source)
    return Change(
        index=index,
        source=event.source,
        event_id=event.id,
        type=event.type,
        accepted=accepted,
        time=time,
        is_timed=event.time is not None,
        recorded_at=recorded_at,
        key=derived_id(customer_id, "inbound", event.source, event.id),
        content_hash=sha256(orjson.dumps([raw.get(name) for name in _HASHED], option=orjson.OPT_SORT_KEYS)).hexdigest(),
        entity_id=derived_id(customer_id, event.source, accepted.kind, translation.external_id),
        translation=translation,
    )


def _times(event: CloudEvent, now: datetime) -> tuple[datetime, datetime]:
    """When it happened and when it was recorded; a clock that is a little fast is not held against the sender."""
    for name, given in (("time", event.time), ("recordedtime", event.recordedtime)):
        if given is not None and given > now + SKEW:
            raise InFuture(f"{name} is more than 10 minutes from now.", errors=[{"field": name, "code": "in_future"}])
    time = min(event.time or now, now)
    recorded_at = min(event.recordedtime or now, now)
    if recorded_at < time:
        raise invalid(("recordedtime", "before_time", "nothing is recorded before it happened"))
    return time, recorded_at


def in_order(changes: list[Change]) -> list[Change]:
    """The order in which events of one call take effect: what is referred to first, each record by time.

    A converted lead is dealt with after the opportunities that it became, and so is what happened to it later.
    """
    converted: dict[str, datetime] = {}
    for change in changes:
        if change.accepted.action == "convert":
            converted[change.entity_id] = min(change.time, converted.get(change.entity_id, change.time))

    def place(change: Change) -> tuple[int, datetime, int]:
        since = converted.get(change.entity_id)
        late = since is not None and (change.time > since or change.accepted.action == "convert")
        return (CONVERSION_RANK if late else RANKS[change.kind], change.time, change.index)

    return sorted(changes, key=place)
