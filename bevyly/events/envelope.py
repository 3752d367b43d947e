"""The envelope of every event: CloudEvents 1.0 in structured JSON, with the attributes that Bevyly adds.

Times: `time` is when it happened, `recordedtime` when the system of record learned it. `sequence` is the version
that the subject has after the event, so that a consumer can tell newer from older. The bounds here are those of the
columns that events end in; they hold for whatever is decoded. What `data` may hold is in `contracts`.
"""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from bevyly.clock import Clock
from bevyly.events.catalogue import newest_version
from bevyly.ids import new_id

MAX_EVENT_BYTES = 524_288

UuidText = Annotated[str, msgspec.Meta(min_length=36, max_length=36)]
SubjectText = Annotated[str, msgspec.Meta(min_length=3, max_length=87)]
LineText = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One fact about one subject of one tenant. `data` follows the JSON Schema of `type` and `schema_version`."""

    id: UuidText
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    source: LineText
    subject: SubjectText
    tenant_id: UuidText = msgspec.field(name="tenantid")
    sequence: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    time: Instant
    recorded_time: Instant = msgspec.field(name="recordedtime")
    data: dict[str, Any]
    schema_version: Annotated[int, msgspec.Meta(ge=1, le=32_767)] = msgspec.field(name="schemaversion", default=1)
    causation_id: LineText | None = msgspec.field(name="causationid", default=None)
    correlation_id: LineText | None = msgspec.field(name="correlationid", default=None)
    specversion: str = "1.0"
    datacontenttype: str = "application/json"

    @property
    def subject_type(self) -> str:
        """Kind of the subject: `opportunity` of `opportunity/0192…`."""
        return self.subject.partition("/")[0]

    @property
    def subject_id(self) -> str:
        """Id of the subject: `0192…` of `opportunity/0192…`."""
        return self.subject.partition("/")[2]

    def to_json(self) -> bytes:
        """The event as it goes on the wire."""
        return _encoder.encode(self)

    @classmethod
    def from_json(cls, payload: bytes | str) -> "Event":
        """The event in `payload`; raises `msgspec.MsgspecError` where it is not one."""
        return _decoder.decode(payload)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def new_event(
    type_: str,
    *,
    tenant_id: str,
    subject: tuple[str, str],
    sequence: int,
    data: dict[str, Any],
    clock: Clock,
    source: str = "bevyly/api",
    occurred_at: datetime | None = None,
    recorded_at: datetime | None = None,
    causation_id: str | None = None,
    correlation_id: str | None = None,
) -> Event:
    """An event about `subject` (kind and id), which happened and was recorded now unless said otherwise."""
    now = clock.now()
    return Event(
        id=new_id(),
        type=type_,
        schema_version=newest_version(type_),
        source=source,
        subject="/".join(subject),
        tenant_id=tenant_id,
        sequence=sequence,
        time=occurred_at or now,
        recorded_time=recorded_at or now,
        data=data,
        causation_id=causation_id,
        correlation_id=correlation_id,
    )
