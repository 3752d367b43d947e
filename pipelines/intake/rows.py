"""Rows: events into `raw.events`, once each, in the order of their arrival.

COPY refuses tables with row-level security, so rows are copied into a temporary table and moved from there.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from pipelines.intake.messages import Incoming

Connection = psycopg.Connection[tuple[Any, ...]]

_TYPES = {
    "n": "int4", "customer_id": "varchar", "event_id": "varchar", "type": "varchar", "schema_version": "int2",
    "subject_type": "varchar", "subject_id": "varchar", "sequence": "int8", "occurred_at": "timestamptz",
    "recorded_at": "timestamptz", "data": "text", "source": "varchar", "causation_id": "varchar",
    "correlation_id": "varchar", "topic": "varchar", "partition": "int4", "offset": "int8",
}  # fmt: skip
_COLUMNS = ", ".join(f'"{name}"' for name in _TYPES if name != "n")
_STAGE = f"""
create temporary table if not exists incoming (
  {", ".join(f'"{name}" {type_}' for name, type_ in _TYPES.items())}
) on commit delete rows
"""
_COPY = f"copy incoming (n, {_COLUMNS}) from stdin (format binary)"
_MOVE = f"""
insert into raw.events ({_COLUMNS}) select {_COLUMNS.replace('"data"', '"data"::jsonb')} from incoming order by n
on conflict (customer_id, event_id) do nothing
"""
_TENANTS = "select id from customers where id = any(%s)"


def prepare(connection: Connection) -> None:
    """Make the temporary table of this session, and room to sort a batch in memory."""
    connection.execute("set work_mem = '32MB'")
    connection.execute(_STAGE)


def insert(connection: Connection, incoming: Sequence[Incoming]) -> int:
    """Store `incoming` in the caller's transaction; how many of them were new."""
    if not incoming:
        return 0
    with connection.cursor() as cursor:
        with cursor.copy(_COPY) as copy:
            copy.set_types(list(_TYPES.values()))
            for number, one in enumerate(incoming):
                copy.write_row(_row(number, one))
        return cursor.execute(_MOVE).rowcount


def _row(number: int, incoming: Incoming) -> tuple[Any, ...]:
    message, event, data = incoming
    subject_type, _, subject_id = event.subject.partition("/")
    return (
        number, event.tenant_id, event.id, event.type, event.schema_version, subject_type, subject_id, event.sequence,
        event.time, event.recorded_time, data.decode(), event.source, event.causation_id, event.correlation_id,
        message.topic(), message.partition(), message.offset(),
    )  # fmt: skip


def known_tenants(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Those of `ids` that are tenants."""
    return {row[0] for row in connection.execute(_TENANTS, (list(ids),)).fetchall()}
