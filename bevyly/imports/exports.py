"""Files of an export as rows of texts, whatever form they have: CSV, NDJSON, JSON of an API, JSON of a data tree."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from bevyly.imports.errors import BadExport
from bevyly.imports.mapping import plain

SUFFIXES = (".csv", ".json", ".ndjson", ".jsonl")


@dataclass(frozen=True)
class Table:
    """One file: its columns as they are named there, and rows of texts by plain name."""

    path: Path
    columns: dict[str, str]
    """Plain name: name in the file."""
    frame: pl.DataFrame = field(repr=False)

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Number (the first row is 1) and filled values of each row, by plain name."""
        names = [plain(name) for name in self.frame.columns]
        for number, values in enumerate(self.frame.iter_rows(), start=1):
            texts = ((name, text) for name, text in zip(names, values, strict=True) if text is not None)
            yield number, {name: text for name, text in texts if text.strip()}


class Export:
    """The files of a folder."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise BadExport(f"{folder} is no folder.")
        self.paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        if not self.paths:
            raise BadExport(f"{folder} holds no file with one of the endings {', '.join(SUFFIXES)}.")
        self.used: set[Path] = set()
        self._read: dict[Path, Table] = {}

    def tables(self, names: list[str]) -> list[Table]:
        """Files with one of `names`, without their ending."""
        found = [path for path in self.paths if plain(path.stem) in names or _undated(path) in names]
        self.used.update(found)
        for path in found:
            if path not in self._read:
                self._read[path] = read(path)
        return [self._read[path] for path in found]

    @property
    def unused(self) -> list[str]:
        """Names of files that no mapping asked for."""
        return [path.name for path in self.paths if path not in self.used]


def _undated(path: Path) -> str:
    """The plain name of a file such as `hubspot-crm-exports-deals-2026-11-23`, without what stands around it."""
    return re.sub(r"\d+$", "", plain(path.stem)).removeprefix("hubspotcrmexports")


def read(path: Path) -> Table:
    """One file; raises `BadExport` with what is wrong where."""
    raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise BadExport(f"{path.name}: byte {error.start} is not UTF-8.") from None
    frame = _csv(path, raw) if path.suffix.lower() == ".csv" else _json(path, raw)
    columns: dict[str, str] = {}
    for name in frame.columns:
        if plain(name) in columns:
            raise BadExport(f"{path.name}: the columns {columns[plain(name)]!r} and {name!r} mean the same.")
        columns[plain(name)] = name
    return Table(path, columns, frame)


def _csv(path: Path, raw: bytes) -> pl.DataFrame:
    try:
        return pl.read_csv(io.BytesIO(raw), infer_schema=False)
    except pl.exceptions.NoDataError:
        return pl.DataFrame()
    except pl.exceptions.PolarsError as error:
        raise BadExport(f"{path.name}: {str(error).splitlines()[0]}") from None


def _json(path: Path, raw: bytes) -> pl.DataFrame:
    try:
        if path.suffix.lower() == ".json":
            document = orjson.loads(raw)
            rows = document if isinstance(document, list) else _list_in(path, document)
        else:
            rows = [orjson.loads(line) for line in raw.splitlines() if line.strip()]
    except orjson.JSONDecodeError as error:
        raise BadExport(f"{path.name}: {error}.") from None
    if not all(isinstance(row, dict) for row in rows):
        raise BadExport(
            f"{path.name}: row {next(n for n, row in enumerate(rows, 1) if not isinstance(row, dict))} is no object."
        )
    flat = [_flat(row) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row)
    return pl.DataFrame({name: pl.Series([row.get(name) for row in flat], dtype=pl.String) for name in names})


def _list_in(path: Path, document: Any) -> list[Any]:
    for name in ("records", "results", "data"):
        found = document.get(name) if isinstance(document, dict) else None
        if isinstance(found, list):
            return found
    raise BadExport(f"{path.name}: holds neither an array nor an object with `records` or `results`.")


def _flat(row: dict[str, Any]) -> dict[str, str | None]:
    """One level of columns: HubSpot's `properties` and the references of Salesforce's data trees come up to it."""
    attributes, properties = row.get("attributes"), row.get("properties")
    flat = {name: _text(value) for name, value in row.items() if name not in ("attributes", "properties")}
    if isinstance(attributes, dict) and "referenceId" in attributes:
        flat["referenceId"] = "@" + str(attributes["referenceId"])
    if isinstance(properties, dict):
        known = {plain(name) for name in flat}
        flat |= {name: _text(value) for name, value in properties.items() if plain(name) not in known}
    return flat


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else orjson.dumps(value).decode()
