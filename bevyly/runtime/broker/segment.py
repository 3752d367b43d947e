"""One append-only file of record batches, named by its first offset, with a sparse index kept in memory.

The index costs 24 bytes per INDEX_INTERVAL bytes of log and is rebuilt from the batch headers on opening.
"""

import mmap
import os
from array import array
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

from bevyly.runtime.broker.batches import (
    HEADER_SIZE,
    BatchHeader,
    Buffer,
    checksum_holds,
    first_record_since,
    header_at,
    stamped,
    whole_batches,
)

INDEX_INTERVAL = 16 * 1024
NO_TIMESTAMP = -1
SUFFIX = ".log"


class Segment:
    def __init__(self, directory: Path, base_offset: int) -> None:
        self.path = directory / f"{base_offset:020d}{SUFFIX}"
        self.base_offset = base_offset
        self.next_offset = base_offset
        self.size = 0
        self.max_timestamp = NO_TIMESTAMP
        self._indexed_until = -INDEX_INTERVAL
        self._offsets = array("q")
        self._positions = array("q")
        self._timestamps_before = array("q")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)

    def recover(self, seen: Callable[[BatchHeader], None], *, verify: bool) -> None:
        """Read every header; cut the file after the last batch that is whole (and sound, where `verify`)."""
        length = os.fstat(self._file).st_size
        if length:
            with mmap.mmap(self._file, length, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as content:
                for position, header in whole_batches(content):
                    if header.base_offset < self.next_offset or (
                        verify and not checksum_holds(content, header, position)
                    ):
                        break
                    self._account(header)
                    seen(header)
        if self.size < length:
            os.ftruncate(self._file, self.size)

    def append(self, records: bytes, header: BatchHeader) -> None:
        """Write one batch at the end under `header.base_offset`. Raises OSError and leaves the file unchanged."""
        parts = stamped(records, header.base_offset)
        os.lseek(self._file, self.size, os.SEEK_SET)
        written = 0
        try:
            written = os.writev(self._file, parts)
            if written != header.size:
                self._write_rest(b"".join(parts)[written:])
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self._account(header)

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Whole batches from the one that holds `offset`: at least one, then as many as fit."""
        position, header = self._locate(lambda candidate: candidate.next_offset > offset, self._floor(offset))
        if header is None:
            return b""
        chunk = os.pread(self._file, max(max_bytes, header.size), position)
        end = 0
        for start, batch in whole_batches(chunk):
            end = start + batch.size
        return chunk[:end]

    def find_time(self, timestamp: int) -> tuple[int, int] | None:
        """(offset, timestamp) of the first record not older than `timestamp`."""
        if self.max_timestamp < timestamp:
            return None
        entry = max(
            0, next((i for i, t in enumerate(self._timestamps_before) if t >= timestamp), len(self._offsets)) - 1
        )
        position, header = self._locate(lambda candidate: candidate.max_timestamp >= timestamp, entry)
        return first_record_since(os.pread(self._file, header.size, position), timestamp) if header else None

    def sync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)

    def delete(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)

    def _account(self, header: BatchHeader) -> None:
        if self.size - self._indexed_until >= INDEX_INTERVAL:
            self._offsets.append(header.base_offset)
            self._positions.append(self.size)
            self._timestamps_before.append(self.max_timestamp)
            self._indexed_until = self.size
        self.size += header.size
        self.next_offset = header.next_offset
        self.max_timestamp = max(self.max_timestamp, header.max_timestamp)

    def _floor(self, offset: int) -> int:
        return max(0, bisect_right(self._offsets, offset) - 1)

    def _locate(self, wanted: Callable[[BatchHeader], bool], entry: int) -> tuple[int, BatchHeader | None]:
        """Position and header of the first wanted batch at or after an index entry."""
        position = self._positions[entry] if self._positions else self.size
        while position < self.size:
            window = os.pread(self._file, 2 * INDEX_INTERVAL, position)
            start = 0
            while start + HEADER_SIZE <= len(window):
                header = header_at(window, start)
                if wanted(header):
                    return position + start, header
                start += header.size
            position += start
        return self.size, None

    def _write_rest(self, rest: Buffer) -> None:
        while rest:
            rest = rest[os.write(self._file, rest) :]
