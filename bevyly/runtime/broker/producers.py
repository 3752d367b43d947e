"""What a partition remembers of idempotent producers: enough to tell a repeat from a gap.

Rules and the five remembered batches are those of Apache Kafka's ProducerStateManager.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.batches import NO_PRODUCER, BatchHeader
from bevyly.runtime.broker.errors import Refused

REMEMBERED_BATCHES = 5
SEQUENCE_SPACE = 2**31


class Remembered(NamedTuple):
    first_sequence: int
    last_sequence: int
    base_offset: int


@dataclass(slots=True)
class Producer:
    epoch: int
    last_seen: int = 0
    batches: deque[Remembered] = field(default_factory=lambda: deque(maxlen=REMEMBERED_BATCHES))


class ProducerStates:
    """Kept by the time of arrival: messages may carry times of the distant past."""

    def __init__(self) -> None:
        self._producers: dict[int, Producer] = {}

    def __len__(self) -> int:
        return len(self._producers)

    def repeated(self, header: BatchHeader) -> int | None:
        """The offset that this very batch already has, or None when it is new; raises Refused on a gap."""
        producer = self._producers.get(header.producer_id)
        if header.producer_id == NO_PRODUCER or producer is None:
            return None
        if header.producer_epoch < producer.epoch:
            raise Refused(ErrorCode.invalid_producer_epoch)
        if header.producer_epoch > producer.epoch:
            expected = 0
        else:
            for known in producer.batches:
                if (known.first_sequence, known.last_sequence) == (header.base_sequence, _last_sequence(header)):
                    return known.base_offset
            expected = (producer.batches[-1].last_sequence + 1) % SEQUENCE_SPACE
        if header.base_sequence != expected:
            raise Refused(
                ErrorCode.out_of_order_sequence_number,
                f"expected sequence {expected}, got {header.base_sequence}",
            )
        return None

    def remember(self, header: BatchHeader, *, now: int) -> None:
        if header.producer_id == NO_PRODUCER:
            return
        producer = self._producers.get(header.producer_id)
        if producer is None or producer.epoch != header.producer_epoch:
            producer = self._producers[header.producer_id] = Producer(header.producer_epoch)
        producer.last_seen = now
        producer.batches.append(Remembered(header.base_sequence, _last_sequence(header), header.base_offset))

    def forget_before(self, timestamp: int) -> None:
        """Drop producers not heard of since `timestamp` (milliseconds), so that memory stays bounded."""
        self._producers = {
            identity: producer for identity, producer in self._producers.items() if producer.last_seen >= timestamp
        }


def _last_sequence(header: BatchHeader) -> int:
    return (header.base_sequence + header.last_offset_delta) % SEQUENCE_SPACE
