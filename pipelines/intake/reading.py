"""Reading: batches of messages from Kafka, from the stored positions on, and how far each batch reaches.

Does not belong here: what the messages say.
"""

import time
from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from bevyly.events.bus import BrokerUnavailable, make_consumer
from bevyly.settings import Settings
from pipelines.intake.offsets import Partition, partition_of

FILL_SECONDS = 0.25
POLL_SECONDS = 0.05
# asked of librdkafka at once; between two questions the size is looked at
CHUNK = 1_000
# events may have half a megabyte each: without a bound a batch of them would fill the memory
BATCH_BYTES = 16_000_000


class Batch(NamedTuple):
    """Messages, and from and to which offset each of their partitions moves once they have taken effect."""

    messages: list[Message]
    moves: dict[Partition, tuple[int, int]]


def ingest_consumer(settings: Settings, group: str) -> Consumer:
    """A consumer that tells when a partition ends, and never jumps over what Kafka no longer has."""
    overrides: dict[str, str | bool] = {"enable.partition.eof": True, "auto.offset.reset": "error"}
    return make_consumer(settings, group=f"bevyly-{group}", **overrides)


class Reader:
    """Reads all partitions of `positions` from there on."""

    def __init__(self, consumer: Consumer, positions: Mapping[Partition, int]) -> None:
        self._consumer = consumer
        self._next = dict(positions)
        self._ends: dict[Partition, int] = {}
        consumer.assign([TopicPartition(*key, offset) for key, offset in positions.items()])

    @property
    def drained(self) -> bool:
        """Whether the end of every partition was reached, and nothing came since."""
        return all(self._ends.get(key, -1) >= position for key, position in self._next.items())

    def read(self, limit: int) -> Batch:
        """Up to `limit` messages: what arrives within a moment, or until every partition has ended."""
        messages: list[Message] = []
        since = self._next.copy()
        size, deadline = 0, time.monotonic() + FILL_SECONDS
        while len(messages) < limit and size < BATCH_BYTES and time.monotonic() < deadline:
            arrived = self._arrived(self._consumer.consume(min(CHUNK, limit - len(messages)), POLL_SECONDS))
            messages += arrived
            size += sum(map(len, arrived))
            if self.drained:
                break
        return Batch(messages, {key: (since[key], upto) for key, upto in self._next.items() if upto != since[key]})

    def waiting(self, partition: Partition) -> int:
        """How many messages of `partition` are known to wait, without asking the broker."""
        _, end = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
        return max(0, int(end) - self._next[partition])

    def _arrived(self, found: list[Message]) -> list[Message]:
        arrived = [message for message in found if message.error() is None]
        if len(arrived) < len(found):
            self._note_ends(found)
        # the last message of each partition, in as few steps a message as there can be
        for last in {(message.topic(), message.partition()): message for message in arrived}.values():
            self._next[partition_of(last)] = (last.offset() or 0) + 1
        return arrived

    def _note_ends(self, found: list[Message]) -> None:
        for message in found:
            error = message.error()
            if error is None:
                continue
            if error.code() != KafkaError._PARTITION_EOF:
                raise BrokerUnavailable(f"Kafka: {error.str()}")
            self._ends[partition_of(message)] = message.offset() or 0
