"""Streams of rows out of the database: as many as there are, in memory of a constant size.

A stream has a read-only connection of its own for as long as it is read, under the row-level security of its tenant
and its user. Does not belong here: what is asked; that is in the repositories.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed

from bevyly.db.read import with_session_settings
from bevyly.db.rls import OWNERS_SETTING, TENANT_SETTING
from bevyly.db.scope import visible_owners
from bevyly.errors import Unavailable

BLOCK_BYTES = 64 * 1024
_SESSION = {
    "default_transaction_read_only": "on",
    "statement_timeout": "600s",
    "idle_in_transaction_session_timeout": "120s",
    "lock_timeout": "1s",
    "timezone": "UTC",
}

_ENTER = f"select set_config('{TENANT_SETTING}', %s, true), set_config('{OWNERS_SETTING}', %s, true)".encode()


class Streams:
    """A few streams at once; who comes when all are taken waits a moment, then is told to come again."""

    def __init__(self, url: str, *, size: int = 4, wait_seconds: float = 5.0) -> None:
        self._conninfo = with_session_settings(url, _SESSION)
        self._free = asyncio.Semaphore(size)
        self._wait_seconds = wait_seconds

    async def rows(
        self, customer_id: str, statement: SQL | Composed, parameters: Sequence[Any], *, batch: int = 2_000
    ) -> AsyncIterator[list[TupleRow]]:
        """Rows of `statement` for a tenant, `batch` at a time."""
        async with self._connection(customer_id) as connection, connection.cursor(name="stream") as cursor:
            await cursor.execute(statement, parameters)
            while found := await cursor.fetchmany(batch):
                yield found

    async def types(
        self, customer_id: str, statement: SQL | Composed, parameters: Sequence[Any]
    ) -> list[tuple[str, str]]:
        """Names of the columns of `statement`, and of their types."""
        none: LiteralString = "select * from ({}) as described limit 0"
        async with self._connection(customer_id) as connection, connection.cursor() as cursor:
            await cursor.execute(SQL(none).format(statement), parameters)
            return [(column.name, column.type_display) for column in cursor.description or ()]

    async def csv(
        self,
        customer_id: str,
        statement: SQL | Composed,
        parameters: Sequence[Any],
        *,
        count: Callable[[int], None],
    ) -> AsyncIterator[bytes]:
        """Rows of `statement` as CSV with a header, rendered by PostgreSQL, in blocks; `count` is told how many."""
        copy_out: LiteralString = "copy ({}) to stdout (format csv, header)"
        async with (
            self._connection(customer_id) as connection,
            connection.cursor() as cursor,
            cursor.copy(SQL(copy_out).format(statement), parameters) as copy,
        ):
            block = bytearray()
            async for line in copy:
                block += line
                if len(block) >= BLOCK_BYTES:
                    yield bytes(block)
                    block.clear()
            yield bytes(block)
            count(cursor.rowcount)

    @asynccontextmanager
    async def _connection(self, customer_id: str) -> AsyncIterator[AsyncConnection[TupleRow]]:
        try:
            await asyncio.wait_for(self._free.acquire(), self._wait_seconds)
        except TimeoutError:
            raise Unavailable("Too many files are being written. Try again in a moment.") from None
        try:
            async with await AsyncConnection.connect(self._conninfo) as connection:
                await connection.execute(_ENTER, (customer_id, visible_owners()))
                yield connection
        except psycopg.OperationalError as error:
            raise Unavailable("The database does not answer. Try again in a moment.") from error
        finally:
            self._free.release()
