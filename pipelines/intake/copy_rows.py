"""Rows of `raw.events` as PostgreSQL's binary COPY takes them.

psycopg's `write_row` goes column by column; here fixed fields are packed in one step and fields with few values once,
in two thirds of the time. Does not belong here: statements (`rows`).
"""

import struct
from datetime import UTC, datetime
from functools import lru_cache

from pipelines.intake.messages import Incoming

COLUMNS = (
    "customer_id", "event_id", "sequence", "occurred_at", "recorded_at", "partition", "offset",
    "type", "schema_version", "subject_type", "source", "topic",
    "subject_id", "causation_id", "correlation_id", "data",
)  # fmt: skip
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

# how many fields, then each as length and value: two texts of 36 characters, three int8, int4, int8
_FIXED = struct.Struct("!h i36s i36s iq iq iq ii iq".replace(" ", ""))
_LENGTH = struct.Struct("!i")
_SMALL = struct.Struct("!ih")
_NULL = b"\xff\xff\xff\xff"
_JSONB_VERSION = b"\x01"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def encode(incoming: Incoming) -> bytes:
    """The row of one event."""
    message, event, data = incoming.message, incoming.event, incoming.data
    subject_type, _, subject_id = event.subject.partition("/")
    return b"".join(
        (
            _FIXED.pack(
                len(COLUMNS), 36, event.tenant_id.encode(), 36, event.id.encode(), 8, event.sequence,
                8, _microseconds(event.time), 8, _microseconds(event.recorded_time),
                4, message.partition(), 8, message.offset(),
            ),
            _kind(event.type, event.schema_version, subject_type, event.source, message.topic()),
            _text(subject_id),
            _NULL if event.causation_id is None else _text(event.causation_id),
            _NULL if event.correlation_id is None else _text(event.correlation_id),
            _LENGTH.pack(len(data) + 1),
            _JSONB_VERSION,
            data,
        )
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _kind(type_: str, schema_version: int, subject_type: str, source: str, topic: str) -> bytes:
    return b"".join(
        (_text(type_), _SMALL.pack(2, schema_version), _text(subject_type), _text(source), _text(topic)),
    )


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _LENGTH.pack(len(encoded)) + encoded


def _microseconds(instant: datetime) -> int:
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
