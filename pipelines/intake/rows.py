"""Rows: events into `raw.events`, once each, in the order of their arrival.

New events are copied straight into the table while they are decoded, so that PostgreSQL and this process work at the
same time. COPY cannot skip what is there already: repeats take the way over a temporary table.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import psycopg

from pipelines.intake import copy_rows
from pipelines.intake.messages import Incoming

Connection = psycopg.Connection[tuple[Any, ...]]
RepeatedEvent = psycopg.errors.UniqueViolation
"""What `append` raises where an event is stored already, or twice among the given."""
UNSTORABLE = (
    psycopg.DataError, psycopg.errors.ProgramLimitExceeded, psycopg.errors.StatementTooComplex,
)  # fmt: skip
"""What PostgreSQL raises where an event that keeps its contract does not fit into its columns."""

# rows that are handed to libpq together: large enough for few system calls, small enough for the processor's cache
_TOGETHER = 128
_COLUMNS = ", ".join(f'"{name}"' for name in copy_rows.COLUMNS)
_APPEND = f"copy raw.events ({_COLUMNS}) from stdin (format binary)"
_STAGE = f"""
create temporary table if not exists incoming on commit delete rows
as select {_COLUMNS} from raw.events with no data
"""
_NUMBER = "alter table incoming add column if not exists n bigint generated always as identity"
_FILL = f"copy incoming ({_COLUMNS}) from stdin (format binary)"
_MOVE = f"""
insert into raw.events ({_COLUMNS}) select {_COLUMNS} from incoming order by n
on conflict (customer_id, event_id) do nothing
"""
_TENANTS = "select id from customers where id = any(%s)"


def prepare(connection: Connection) -> None:
    """Make the temporary table of this session, and room to sort a batch in memory.

    No commit waits for the disk: rows and offsets are lost together or not at all, and Kafka still has the events.
    """
    connection.execute("set work_mem = '32MB'")
    connection.execute("set synchronous_commit = off")
    connection.execute(_STAGE)
    connection.execute(_NUMBER)


def append(connection: Connection, events: Iterable[Incoming]) -> int:
    """Store `events`, which are all new, in the caller's transaction; how many there were. Raises `RepeatedEvent`."""
    return _copy(connection, _APPEND, events)


def merge(connection: Connection, events: Iterable[Incoming]) -> int:
    """Store those of `events` that are new, in the caller's transaction; how many that were."""
    if not _copy(connection, _FILL, events):
        return 0
    return connection.execute(_MOVE).rowcount


def _copy(connection: Connection, statement: str, events: Iterable[Incoming]) -> int:
    left: Iterator[Incoming] = iter(events)
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            copy.write(copy_rows.HEADER)
            while rows := b"".join(map(copy_rows.encode, islice(left, _TOGETHER))):
                copy.write(rows)
            copy.write(copy_rows.TRAILER)
        return cursor.rowcount


def known_tenants(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Those of `ids` that are tenants."""
    return {row[0] for row in connection.execute(_TENANTS, (list(ids),)).fetchall()}
