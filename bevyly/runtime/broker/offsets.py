"""Committed offsets of consumer groups: a map in memory, an append-only journal on disk.

A journal line is `<crc32c> <json>`; the first line that does not check ends the journal.
"""

import os
from pathlib import Path
from typing import NamedTuple

import orjson
from crc32c import crc32c

from bevyly.runtime.files import replace_file

COMPACT_BYTES = 1 << 20


class Key(NamedTuple):
    group: str
    topic: str
    partition: int


class Committed(NamedTuple):
    offset: int
    leader_epoch: int
    metadata: str
    committed_at: int


class OffsetStore:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._committed: dict[Key, Committed] = {}
        self._size = self._load()
        self._file = self._opened()

    def get(self, key: Key) -> Committed | None:
        return self._committed.get(key)

    def of_group(self, group: str) -> dict[Key, Committed]:
        return {key: value for key, value in self._committed.items() if key.group == group}

    def groups(self) -> set[str]:
        return {key.group for key in self._committed}

    def commit(self, entries: dict[Key, Committed]) -> None:
        """Handed to the operating system when this returns."""
        self._write(b"".join(_line(key, value) for key, value in entries.items()))
        self._committed.update(entries)
        self._compact_when_due()

    def remove(self, keys: list[Key]) -> None:
        self._write(b"".join(_line(key, None) for key in keys))
        for key in keys:
            self._committed.pop(key, None)

    def remove_topic(self, topic: str) -> None:
        self.remove([key for key in self._committed if key.topic == topic])

    def remove_idle(self, active: set[str], *, before: int) -> None:
        """Drop groups without members whose last commit is older than `before` (milliseconds)."""
        last: dict[str, int] = {}
        for key, value in self._committed.items():
            last[key.group] = max(last.get(key.group, 0), value.committed_at)
        idle = {group for group, when in last.items() if when < before and group not in active}
        self.remove([key for key in self._committed if key.group in idle])

    def sync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        self.sync()
        os.close(self._file)

    def _load(self) -> int:
        sound = 0
        for line in self._path.read_bytes().splitlines(keepends=True) if self._path.exists() else ():
            entry = _parsed(line)
            if entry is None:
                break
            key, value = entry
            if value is None:
                self._committed.pop(key, None)
            else:
                self._committed[key] = value
            sound += len(line)
        return sound

    def _opened(self) -> int:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(descriptor, self._size)
        os.lseek(descriptor, self._size, os.SEEK_SET)
        return descriptor

    def _write(self, lines: bytes) -> None:
        while lines:
            written = os.write(self._file, lines)
            self._size += written
            lines = lines[written:]

    def _compact_when_due(self) -> None:
        if self._size < max(COMPACT_BYTES, 1_000 * len(self._committed)):
            return
        content = b"".join(_line(key, value) for key, value in self._committed.items())
        os.close(self._file)
        replace_file(self._path, content)
        self._size = len(content)
        self._file = self._opened()


def _line(key: Key, value: Committed | None) -> bytes:
    body = orjson.dumps([list(key), None if value is None else list(value)])
    return b"%08x %s\n" % (crc32c(body), body)


def _parsed(line: bytes) -> tuple[Key, Committed | None] | None:
    body = line[9:-1]
    if not line.endswith(b"\n") or line[:9] != b"%08x " % crc32c(body):
        return None
    key, value = orjson.loads(body)
    return Key(*key), None if value is None else Committed(*value)
