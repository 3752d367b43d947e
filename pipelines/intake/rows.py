"""Rows: events into `raw.events`, once each, in the order of their arrival.

COPY refuses tables with row-level security, so rows are copied into a temporary table and moved from there.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from pipelines.intake.messages import Incoming

Connection = psycopg.Connection[tuple[Any, ...]]

_COLUMNS = """
customer_id, event_id, type, schema_version, subject_type, subject_id, sequence, occurred_at, recorded_at, data, source,
causation_id, correlation_id, topic, partition, "offset"
"""
_STAGE = f"""
create temporary table if not exists incoming on commit delete rows
as select 0 as n, {_COLUMNS} from raw.events with no data
"""
_COPY = f"copy incoming (n, {_COLUMNS}) from stdin"
_MOVE = f"""
insert into raw.events ({_COLUMNS}) select {_COLUMNS} from incoming order by n
on conflict (customer_id, event_id) do nothing
"""
_TENANTS = "select id from customers where id = any(%s)"


def prepare(connection: Connection) -> None:
    """Make the temporary table of this session."""
    connection.execute(_STAGE)


def insert(connection: Connection, incoming: Sequence[Incoming]) -> int:
    """Store `incoming` in the caller's transaction; how many of them were new."""
    if not incoming:
        return 0
    with connection.cursor() as cursor:
        with cursor.copy(_COPY) as copy:
            for number, (message, event, data) in enumerate(incoming):
                subject_type, _, subject_id = event.subject.partition("/")
                copy.write_row(
                    (
                        number, event.tenant_id, event.id, event.type, event.schema_version, subject_type, subject_id,
                        event.sequence, event.time, event.recorded_time, data.decode(), event.source,
                        event.causation_id, event.correlation_id, message.topic(), message.partition(), message.offset(),
                    )
                )  # fmt: skip
        return cursor.execute(_MOVE).rowcount


def known_tenants(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Those of `ids` that are tenants."""
    return {row[0] for row in connection.execute(_TENANTS, (list(ids),)).fetchall()}
