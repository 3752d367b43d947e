"""The audit as a stream: page by page from the index, so that memory holds one page whatever there is to tell."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from api.modules.audit.schemas import AuditEntry
from bevyly.db.pagination import START
from bevyly.db.read import Reader

PAGE = 1_000
MAX_EXPORTED = 50_000
"""Entries in one export; `until` continues it."""
COLUMNS = tuple(AuditEntry.model_fields)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def pages(reader: Reader, customer_id: str, filters: Sequence[str | None]) -> AsyncIterator[list[dict[str, Any]]]:
    """Entries, newest first, some at a time."""
    at, last, left = START.at, START.id, MAX_EXPORTED
    while left > 0:
        row = await reader.one("api_list_audit", customer_id, at, last, min(PAGE, left), *filters)
        assert row is not None
        body, at, last = row
        entries: list[dict[str, Any]] = orjson.loads(f"[{body}]")
        left -= len(entries)
        yield entries
        if last is None:
            return


async def as_ndjson(found: AsyncIterator[list[dict[str, Any]]]) -> AsyncIterator[bytes]:
    """One JSON object a line."""
    async for entries in found:
        yield b"".join(orjson.dumps(entry) + b"\n" for entry in entries)


async def as_csv(found: AsyncIterator[list[dict[str, Any]]]) -> AsyncIterator[bytes]:
    """A header and one row an entry; `before` and `after` are JSON in a cell."""
    yield _lines([list(COLUMNS)])
    async for entries in found:
        yield _lines([[_cell(entry[name]) for name in COLUMNS] for entry in entries])


def _lines(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    """The value as text that no spreadsheet takes for a formula."""
    text = "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"'{text}" if text.startswith(_FORMULA) else text
