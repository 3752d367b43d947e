"""Producer ids that are never given twice, also across kills: blocks are reserved on disk before use."""

from pathlib import Path

from bevyly.runtime.files import replace_file

BLOCK = 1_000


class ProducerIds:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = self._reserved = int(path.read_text()) if path.exists() else 1

    def take(self) -> int:
        if self._next >= self._reserved:
            self._reserved = self._next + BLOCK
            replace_file(self._path, str(self._reserved).encode())
        self._next += 1
        return self._next - 1
