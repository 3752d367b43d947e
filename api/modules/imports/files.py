"""The file of an import as rows of texts: its encoding, its delimiter, its header, found by looking.

Nothing here holds more than a part of the file. Does not belong here: what the cells mean.
"""

import codecs
import csv
import io
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import IO

from api.modules.imports.errors import BadFile

DELIMITERS = (",", ";", "\t", "|")
MAX_COLUMNS = 200
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Shape:
    """How a file is read."""

    encoding: str
    delimiter: str
    has_header: bool
    columns: list[str]


class EncodingGuess:
    """Finds the encoding while the file passes: its mark, else UTF-8 as long as that fits, else Windows-1252."""

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        self._found: str | None = None

    def feed(self, part: bytes, *, last: bool) -> None:
        if self._decoder is None:
            self._found = next((name for mark, name in _MARKS.items() if part.startswith(mark)), None)
            self._decoder = codecs.getincrementaldecoder(self._found or "utf-8")()
        try:
            self._decoder.decode(part, last)
        except UnicodeDecodeError:
            if self._found is not None:
                raise BadFile(
                    f"The file is not {self._found.removesuffix('-sig').upper()}, as its first bytes say."
                ) from None
            self._found, self._decoder = "windows-1252", codecs.getincrementaldecoder("windows-1252")("replace")

    @property
    def encoding(self) -> str:
        return self._found or "utf-8"


def shape_of(head: bytes, encoding: str) -> Shape:
    """The shape of a file from its first part; raises `BadFile`."""
    text = _decoded(head, encoding)
    first = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    row = next(_rows(io.StringIO(text, newline=""), delimiter), None)
    if row is None or not any(cell.strip() for cell in row):
        raise BadFile("The file has no first row.")
    if len(row) > MAX_COLUMNS:
        raise BadFile(f"The file has more than {MAX_COLUMNS} columns.")
    has_header = all(cell.strip() and not _is_value(cell) for cell in row)
    columns = [cell.strip()[:255] for cell in row] if has_header else [f"Column {n}" for n in range(1, len(row) + 1)]
    return Shape(encoding, delimiter, has_header, _told_apart(columns))


def head_rows(head: bytes, shape: Shape, count: int) -> list[list[str]]:
    """The first rows after the header."""
    rows = _rows(io.StringIO(_decoded(head, shape.encoding), newline=""), shape.delimiter)
    if shape.has_header:
        next(rows, None)
    return [row for row, _ in zip(rows, range(count), strict=False)]


def rows_of(file: IO[bytes], encoding: str, delimiter: str, *, has_header: bool) -> Generator[list[str], None, None]:
    """All rows after the header, from the start; raises `BadFile` for what no reader can make rows of."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="")
    try:
        rows = _rows(text, delimiter)
        if has_header:
            next(rows, None)
        yield from rows
    finally:
        text.detach()


def _rows(text: IO[str], delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(text, delimiter=delimiter)
    try:
        for row in reader:
            if row:
                yield row
    except csv.Error as error:
        raise BadFile(f"Line {reader.line_num}: {error}.") from None


def _decoded(head: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)("replace").decode(head, False)


def _is_value(cell: str) -> bool:
    return "@" in cell or cell.strip().replace(".", "").replace(",", "").replace("-", "").isdigit()


def _told_apart(names: list[str]) -> list[str]:
    """`names` with a number behind those that another has too."""
    seen: dict[str, int] = {}
    told = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return told
