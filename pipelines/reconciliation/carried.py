"""What Kafka carries: every message of a window into a temporary table, as coordinates and a hash of its content.

The one loop over single messages of a reconciliation; everything after it is set-based. Memory holds one batch.
"""

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any

import msgspec
import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from bevyly.events.bus import BrokerUnavailable, make_consumer, partitions_of, watermarks
from bevyly.events.catalogue import topics
from bevyly.settings import Settings
from pipelines.console import Step
from pipelines.intake.offsets import Partition, partition_of
from pipelines.reconciliation.result import Window

Connection = psycopg.Connection[tuple[Any, ...]]

GROUP = "bevyly-reconcile"
BATCH = 10_000
POLL_SECONDS = 0.2
SILENCE_SECONDS = 30.0
# of SHA-256 in hexadecimal; 128 bits tell any two contents apart
HASH_LENGTH = 32

_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_IdText = Annotated[str, msgspec.Meta(pattern=_UUID)]
_COPY = 'copy messages (topic, partition, "offset", at, customer_id, event_id, subject, sequence, wire) from stdin'
_ENDS = 'copy ends (topic, partition, "low", start, stop, high) from stdin'


class _Said(msgspec.Struct):
    """What a message must say of itself to be compared. The patterns keep it fit for COPY as it is."""

    id: _IdText
    tenantid: _IdText
    subject: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,50}/[0-9A-Za-z_.-]{1,36}$")]
    sequence: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


_decode = msgspec.json.Decoder(_Said).decode


@dataclass
class Stretch:
    """The part of one partition that is read: from `start` until before `stop`; Kafka has `low` until before `high`."""

    partition: Partition
    low: int
    start: int
    stop: int
    high: int
    oldest: datetime | None = field(default=None)
    """When the first message that is still kept was published, where older ones are gone."""

    @property
    def cut(self) -> bool:
        """Whether the window begins before what is kept."""
        return 0 < self.low == self.start


def read(connection: Connection, settings: Settings, window: Window, *, progress: Step) -> list[Stretch]:
    """Fill the temporary tables `messages` and `ends` with the window as Kafka has it now; what was read.

    Raises `BrokerUnavailable`.
    """
    with closing(make_consumer(settings, group=GROUP, **{"enable.partition.eof": True})) as consumer:
        stretches = _stretches(consumer, window)
        with connection.cursor() as cursor:
            _copy_ends(cursor, stretches)
            with cursor.copy(_COPY) as copy:
                for lines in _batches(consumer, stretches, window.tenant, progress):
                    copy.write(lines)
    return stretches


def _copy_ends(cursor: psycopg.Cursor[tuple[Any, ...]], stretches: Iterable[Stretch]) -> None:
    with cursor.copy(_ENDS) as copy:
        for one in stretches:
            copy.write_row((*one.partition, one.low, one.start, one.stop, one.high))


def _stretches(consumer: Consumer, window: Window) -> list[Stretch]:
    partitions = partitions_of(consumer, topics())
    ends = {_key(one): watermarks(consumer, one) for one in partitions}
    first = _offsets_at(consumer, partitions, window.parameters["first"])
    last = _offsets_at(consumer, partitions, window.parameters["last"])
    found = []
    for key, (low, high) in ends.items():
        start = min(max(first.get(key, high), low), high)
        found.append(Stretch(key, low, start, max(min(last.get(key, high), high), start), high))
    return found


def _key(place: TopicPartition) -> Partition:
    """The partition that `place` names."""
    return Partition(str(place.topic), int(place.partition))


def _offsets_at(consumer: Consumer, partitions: list[TopicPartition], instant: datetime) -> dict[Partition, int]:
    """The first offset at or after `instant` of each partition that has one."""
    milliseconds = max(int(instant.timestamp() * 1000), 0)
    asked = [TopicPartition(one.topic, one.partition, milliseconds) for one in partitions]
    try:
        answers = consumer.offsets_for_times(asked, timeout=10.0)
    except KafkaException as error:
        raise BrokerUnavailable(f"Kafka does not tell offsets by time: {error.args[0].str()}") from error
    return {_key(one): one.offset for one in answers if one.offset >= 0}


def _batches(consumer: Consumer, stretches: list[Stretch], tenant: str | None, progress: Step) -> Iterable[str]:
    """Lines for COPY, a batch at a time, until every stretch was read to its end."""
    ahead = {one.partition: one for one in stretches if one.start < one.stop}
    consumer.assign([TopicPartition(*key, one.start) for key, one in ahead.items()])
    total = sum(one.stop - one.start for one in ahead.values())
    done, heard = 0, time.monotonic()
    while ahead:
        messages = consumer.consume(BATCH, POLL_SECONDS)
        lines = [line for message in messages if (line := _sort_in(message, ahead, tenant)) is not None]
        if messages:
            done, heard = done + len(messages), time.monotonic()
            progress(min(done, total), total, f"{min(done, total):,} of {total:,} messages")
        elif time.monotonic() - heard > SILENCE_SECONDS:
            raise BrokerUnavailable(f"Kafka said nothing for {SILENCE_SECONDS:.0f} s; {len(ahead)} partitions unread")
        yield "".join(lines)


def _sort_in(message: Message, ahead: dict[Partition, Stretch], tenant: str | None) -> str | None:
    """The line for COPY of a message that belongs to a stretch; forgets stretches that end here."""
    key, error, offset = partition_of(message), message.error(), message.offset() or 0
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise BrokerUnavailable(f"Kafka: {error.str()}")
    stretch = ahead.get(key)
    if stretch is None:
        return None
    if error is not None:
        if offset >= stretch.stop:
            del ahead[key]
        return None
    if offset >= stretch.stop - 1:
        del ahead[key]
    if offset >= stretch.stop:
        return None
    at = datetime.fromtimestamp(max(message.timestamp()[1], 0) / 1000, UTC)
    if stretch.cut and stretch.oldest is None:
        stretch.oldest = at
    return _line(key, offset, at, message.value() or b"", tenant)


def _line(key: Partition, offset: int, at: datetime, payload: bytes, tenant: str | None) -> str | None:
    place = f"{key.topic}\t{key.number}\t{offset}\t{at.isoformat()}"
    try:
        said = _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None if tenant else f"{place}\t\\N\t\\N\t\\N\t\\N\t\\N\n"
    if tenant and said.tenantid != tenant:
        return None
    digest = sha256(payload).hexdigest()[:HASH_LENGTH]
    return f"{place}\t{said.tenantid}\t{said.id}\t{said.subject}\t{said.sequence}\t{digest}\n"
