"""Refused rows as a file that a person can put right and send again."""

import csv
import io
from collections.abc import AsyncIterator

from psycopg.sql import SQL

from api.records.cells import harmless
from bevyly.db.stream import Streams

_COLUMNS = SQL("select columns from imports where customer_id = %s and id = %s")
_FAILURES = SQL(
    "select row_number, column_name, message, cells from import_errors "
    "where customer_id = %s and import_id = %s order by row_number"
)


async def errors_csv(streams: Streams, customer_id: str, import_id: str) -> AsyncIterator[bytes]:
    """Lines of the file, in blocks."""
    columns: list[str] = []
    async for found in streams.rows(customer_id, _COLUMNS, (customer_id, import_id)):
        columns = found[0][0]
    yield _lines([["row", "column", "message", *columns]])
    async for rows in streams.rows(customer_id, _FAILURES, (customer_id, import_id)):
        yield _lines([[number, column, message, *cells] for number, column, message, cells in rows])


def _lines(rows: list[list[str | int | None]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode()
