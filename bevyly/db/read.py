"""Reading without ceremony: one statement, one round trip, JSON that PostgreSQL rendered.

Every statement of a `Reader` is a call of a database function whose first argument sets the tenant, so that tenant and
question travel together in autocommit. A `Reader` cannot write: its connections are read-only, and it is another type
than the unit of work. Does not belong here: what is asked; that is in the repositories.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from bevyly.db.rls import TENANT_SETTING
from bevyly.db.scope import EVERY_OWNER, visible_owners
from bevyly.errors import Unavailable

Row = tuple[Any, ...]
_CONNECT_SECONDS = 5
_READ_ONLY = {
    "default_transaction_read_only": "on",
    "statement_timeout": "5s",
    "lock_timeout": "1s",
    "timezone": "UTC",
    # a function's plan fits every tenant; weighing it against one for these values costs more than a page of rows
    "plan_cache_mode": "force_generic_plan",
}


class TookTooLong(Unavailable):
    """The statement was ended by its time limit: the database is well, the question was too much."""

    code = "took_too_long"


def with_session_settings(url: str, settings: dict[str, str]) -> str:
    """`url` whose sessions start with `settings`, besides those that it names already."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    options = [query.get("options", ""), *(f"-c {name}={value}" for name, value in settings.items())]
    query["options"] = " ".join(options).strip()
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def call(function: LiteralString, arguments: int, *, narrowed: bool = False) -> bytes:
    """The statement that calls `function` for a tenant with that many further arguments.

    Where the request is narrowed, the owners that it may see come after the tenant.
    """
    rest = "".join(", %s" for _ in range(arguments))
    tenant = "enter_tenant(%s, %s)" if narrowed else f"set_config('{TENANT_SETTING}', %s, true)"
    return f"select * from {function}({tenant}{rest})".encode()


def connection_was_lost(error: psycopg.OperationalError) -> bool:
    """Whether the connection ended under a statement, rather than the statement under its limits."""
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


class Reader:
    """A few read-only connections, the one used last handed out first, so that its caches are warm."""

    def __init__(self, url: str, *, size: int = 8, wait_seconds: float = 1.5) -> None:
        self._conninfo = with_session_settings(url, _READ_ONLY)
        self._idle: list[AsyncConnection[TupleRow]] = []
        self._free = asyncio.Semaphore(size)
        self._wait_seconds = wait_seconds
        self._statements: dict[tuple[str, int, bool], bytes] = {}

    async def one(self, function: LiteralString, customer_id: str, *arguments: Any) -> Row | None:
        """The first row of `function` for a tenant; `Unavailable` if no database answers in time."""
        owners = visible_owners()
        key = (function, len(arguments), owners != EVERY_OWNER)
        statement = self._statements.get(key)
        if statement is None:
            statement = self._statements[key] = call(function, len(arguments), narrowed=key[2])
        tenant = (customer_id, owners) if key[2] else (customer_id,)
        return await self._fetch(statement, (*tenant, *arguments))

    async def ping(self) -> None:
        """Raise `Unavailable` unless the database answers."""
        await self._fetch(b"select 1", ())

    async def _fetch(self, statement: bytes, parameters: Sequence[Any]) -> Row | None:
        try:
            try:
                return await self._fetch_once(statement, parameters)
            except psycopg.OperationalError as error:
                if not connection_was_lost(error):
                    raise
                # The connection was idle while the server restarted: a read may simply be asked again.
                await self.close()
                return await self._fetch_once(statement, parameters)
        except psycopg.errors.QueryCanceled as error:
            raise TookTooLong("The database did not finish in time. Ask for less.") from error
        except psycopg.OperationalError as error:
            raise Unavailable("The database does not answer. Try again in a moment.") from error

    async def _fetch_once(self, statement: bytes, parameters: Sequence[Any]) -> Row | None:
        async with self._connection() as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchone()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        await self._acquire()
        connection: AsyncConnection[TupleRow] | None = None
        reusable = False
        try:
            connection = self._idle.pop() if self._idle else await self._connect()
            yield connection
            reusable = True
        except psycopg.errors.QueryCanceled:
            reusable = True
            raise
        finally:
            # Whatever else ended the statement (a cancelled request, a lost server) may have left it half-read.
            if connection is not None and reusable:
                self._idle.append(connection)
            elif connection is not None:
                connection.pgconn.finish()
            self._free.release()

    async def _acquire(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            await asyncio.wait_for(self._free.acquire(), self._wait_seconds)
        except TimeoutError:
            raise Unavailable("Too many requests are waiting for the database. Try again in a moment.") from None

    async def _connect(self) -> AsyncConnection[TupleRow]:
        connection = await AsyncConnection.connect(self._conninfo, autocommit=True, connect_timeout=_CONNECT_SECONDS)
        connection.prepare_threshold = 2
        return connection

    async def close(self) -> None:
        """Close all idle connections; the reader opens new ones when it is asked again."""
        while self._idle:
            await self._idle.pop().close()
