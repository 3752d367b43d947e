"""The export of a person: a ZIP of JSON lines, one file a table, written as it is read, so that memory stays small."""

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import orjson
import psycopg

from bevyly.privacy.places import Place, places

Connection = psycopg.Connection[Any]

PART_BYTES = 512 * 1024
ROWS = 1_000
MANIFEST = "manifest.json"
# a fixed time: the file says in its manifest when it was made
_TIME = (1980, 1, 1, 0, 0, 0)


class Parts:
    """A file that cannot be read back: what is written is given away in parts of one size."""

    def __init__(self, take: Callable[[int, bytes], None]) -> None:
        self._take = take
        self._held = bytearray()
        self._number = 0
        self.size = 0

    def write(self, data: bytes) -> int:
        """Take some bytes; give away full parts."""
        self._held += data
        self.size += len(data)
        while len(self._held) >= PART_BYTES:
            self._give(PART_BYTES)
        return len(data)

    def flush(self) -> None:
        """Nothing: parts are of one size, but for the last."""

    def close(self) -> None:
        """Give away what is left."""
        if self._held:
            self._give(len(self._held))

    def _give(self, size: int) -> None:
        self._take(self._number, bytes(self._held[:size]))
        del self._held[:size]
        self._number += 1


def export(
    connection: Connection, parameters: dict[str, Any], about: dict[str, Any], take: Callable[[int, bytes], None]
) -> tuple[dict[str, int], int]:
    """Give the file to `take`, part by part; rows by table, and how many bytes there were.

    `about` opens the manifest. Rows come as the database has them, but for secrets and what is of others.
    """
    counts: dict[str, int] = {}
    parts = Parts(take)
    with zipfile.ZipFile(cast(Any, parts), "w", zipfile.ZIP_DEFLATED) as file:
        for place in places(connection):
            rows = _rows(connection, place, parameters)
            first = next(rows, None)
            if first is None:
                continue
            with _opened(file, f"{place.store.table}.jsonl") as out:
                counts[place.store.table] = _write(out, first, rows)
        with _opened(file, MANIFEST) as out:
            out.write(orjson.dumps(about | {"rows": counts}, option=orjson.OPT_INDENT_2))
    parts.close()
    return counts, parts.size


@contextmanager
def _opened(file: zipfile.ZipFile, name: str) -> Iterator[Any]:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    with file.open(entry, "w") as out:
        yield out


def _write(out: Any, first: str, rows: Iterator[str]) -> int:
    out.write(first.encode() + b"\n")
    number = 1
    for row in rows:
        out.write(row.encode() + b"\n")
        number += 1
    return number


def _rows(connection: Connection, place: Place, parameters: dict[str, Any]) -> Iterator[str]:
    statement = f"select {_document(place)} from {place.store.table} t where {place.seen}"
    with connection.cursor(name="export") as cursor:
        cursor.itersize = ROWS
        cursor.execute(statement.encode(), parameters)
        for row in cursor:
            yield row[0]


def _document(place: Place) -> str:
    """The row as JSON, without secrets; bytes as text, since that is what they hold."""
    hidden = json.dumps(list(place.store.secret))[1:-1].replace('"', "'")
    document = f"(to_jsonb(t) - array[{hidden}]::text[])"
    shown = [name for name, kind in place.types.items() if kind == "bytea" and name not in place.store.secret]
    for name in shown:
        document = f"({document} || jsonb_build_object('{name}', {place.as_text(name)}))"
    return f"{document}::text"
