"""Record batches made byte by byte, for tests of what a broker does with them."""

import io
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from kio.records.schema import NewRecordBatch, Record
from kio.records.writers import write_new_batch

NO_PRODUCER = -1
BIRTH_MS = 1_700_000_000_000


def batch(
    values: Sequence[bytes] = (b"value",),
    *,
    producer_id: int = NO_PRODUCER,
    epoch: int = 0,
    sequence: int = 0,
    timestamp: int = BIRTH_MS,
    attributes: int = 0,
) -> bytes:
    """One batch; its records are a second apart from `timestamp` (milliseconds) on."""
    records = tuple(
        Record(
            attributes=0,
            timestamp=datetime.fromtimestamp(timestamp / 1000 + number, UTC),
            offset=number,
            key=None,
            value=value,
            headers=(),
        )
        for number, value in enumerate(values)
    )
    buffer = io.BytesIO()
    write_new_batch(
        buffer,
        NewRecordBatch(
            producer_id=producer_id,
            producer_epoch=epoch,
            base_sequence=sequence if producer_id != NO_PRODUCER else -1,
            records=records,
            attributes=attributes,
        ),
    )
    return buffer.getvalue()


def fresh(values: Sequence[bytes] = (b"value",), **more: int) -> bytes:
    """One batch of now: a broker deletes what is older than its retention, at a time of its own choice."""
    return batch(values, timestamp=time.time_ns() // 1_000_000, **more)
