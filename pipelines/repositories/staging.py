"""Frames into temporary tables, rows into frames: the two ways between polars and PostgreSQL.

Belongs here: COPY and reading. Statements on a table live in that table's module.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[Any, ...]]


def stage(connection: Connection, name: str, frame: pl.DataFrame, columns: Mapping[str, str]) -> None:
    """`frame` as the temporary table `name` with `columns` (name → SQL type), until the transaction ends.

    COPY refuses tables with row-level security, so every write takes the way over such a table. Lists and structs
    must be JSON text already.
    """
    table = sql.Identifier(name)
    declared = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(c), sql.SQL(kind)) for c, kind in columns.items()
    )
    connection.execute(sql.SQL("drop table if exists pg_temp.{}").format(table))
    connection.execute(sql.SQL("create temporary table {} ({}) on commit drop").format(table, declared))
    if frame.is_empty():
        return
    buffer = io.BytesIO()
    frame.select(list(columns)).write_csv(
        buffer, include_header=False, quote_style="non_numeric", datetime_format="%Y-%m-%dT%H:%M:%S%.6f%:z"
    )
    with connection.cursor() as cursor, cursor.copy(sql.SQL("copy {} from stdin (format csv)").format(table)) as copy:
        copy.write(buffer.getbuffer())
    # the planner knows nothing of a temporary table until it is told
    connection.execute(sql.SQL("analyze {}").format(table))


def rows(
    connection: Connection, statement: str, parameters: Sequence[Any] | Mapping[str, Any], schema: Mapping[str, Any]
) -> pl.DataFrame:
    """The result of `statement` as a frame with `schema`, column by column in its order; jsonb must be cast to text."""
    found = connection.execute(statement.encode(), parameters).fetchall()
    return pl.DataFrame(found, schema=dict(schema), orient="row")
