"""The log of one partition: segments in order, appends, reads, retention. Nothing of requests or groups."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.batches import BatchHeader, validated
from bevyly.runtime.broker.errors import Refused
from bevyly.runtime.broker.producers import ProducerStates
from bevyly.runtime.broker.segment import SUFFIX, Segment


class PartitionLog:
    """Appends happen on the event loop only; nothing of a batch stays in memory once it is written."""

    def __init__(self, directory: Path, *, now: Callable[[], int]) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._now = now
        self._producers = ProducerStates()
        self._unsynced: set[Segment] = set()
        self._readers: set[asyncio.Event] = set()
        bases = sorted(int(path.stem) for path in directory.glob(f"*{SUFFIX}")) or [0]
        self._segments = [Segment(directory, base) for base in bases]
        for segment in self._segments:
            segment.recover(self._remember, verify=segment is self._segments[-1])

    @property
    def start_offset(self) -> int:
        return self._segments[0].base_offset

    @property
    def end_offset(self) -> int:
        return self._segments[-1].next_offset

    @property
    def size(self) -> int:
        return sum(segment.size for segment in self._segments)

    def append(self, records: bytes | None, *, max_bytes: int, segment_bytes: int) -> int:
        """Store one batch and return its first offset; a repeat keeps the offset that it had."""
        header = validated(records, max_bytes=max_bytes)
        assert records is not None
        known = self._producers.repeated(header)
        if known is not None:
            return known
        if self._segments[-1].size and self._segments[-1].size + header.size > segment_bytes:
            self._roll()
        placed = header._replace(base_offset=self.end_offset)
        self._write(records, placed)
        self._remember(placed)
        for reader in self._readers:
            reader.set()
        return placed.base_offset

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Whole batches from `offset` on, at least one; empty at the end of the log."""
        if not self.start_offset <= offset <= self.end_offset:
            raise Refused(ErrorCode.offset_out_of_range)
        holder = next((segment for segment in self._segments if segment.next_offset > offset), None)
        return holder.read(offset, max_bytes) if holder else b""

    def find_time(self, timestamp: int) -> tuple[int, int] | None:
        """(offset, timestamp) of the first record not older than `timestamp`."""
        found = (segment.find_time(timestamp) for segment in self._segments)
        return next((match for match in found if match is not None), None)

    def latest_time(self) -> tuple[int, int] | None:
        """(offset, timestamp) of the youngest record."""
        return self.find_time(max(segment.max_timestamp for segment in self._segments)) if self.size else None

    def wake_on_append(self, reader: asyncio.Event) -> None:
        self._readers.add(reader)

    def stop_waking(self, reader: asyncio.Event) -> None:
        self._readers.discard(reader)

    def enforce_retention(self, *, oldest: int | None, max_bytes: int | None) -> None:
        """Delete leading segments that are older than `oldest` (milliseconds) by their youngest record, or too many."""
        active = self._segments[-1]
        if oldest is not None and active.size and active.max_timestamp < oldest:
            self._roll()
        while len(self._segments) > 1:
            first = self._segments[0]
            expired = oldest is not None and first.max_timestamp < oldest
            oversized = max_bytes is not None and self.size - first.size >= max_bytes
            if not (expired or oversized):
                return
            self._segments.pop(0).delete()
            self._unsynced.discard(first)

    def forget_producers_before(self, timestamp: int) -> None:
        self._producers.forget_before(timestamp)

    def sync(self) -> None:
        """fsync what was appended since the last call."""
        while self._unsynced:
            self._unsynced.pop().sync()

    def close(self) -> None:
        self.sync()
        for segment in self._segments:
            segment.close()

    def _remember(self, header: BatchHeader) -> None:
        self._producers.remember(header, now=self._now())

    def _write(self, records: bytes, placed: BatchHeader) -> None:
        active = self._segments[-1]
        try:
            active.append(records, placed)
        except OSError as failure:
            raise Refused(ErrorCode.kafka_storage_error, f"{active.path}: {failure.strerror}") from failure
        self._unsynced.add(active)

    def _roll(self) -> None:
        self._segments.append(Segment(self._directory, self.end_offset))
