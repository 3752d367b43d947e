"""Rows: complete new rows of our tables, stored by one prepared statement each.

An INSERT through SQLAlchemy's unit of work costs ten times as much processor time as the statement itself. Rows that
are complete when they are made, and are stored at once, do not need it. Does not belong here: transactions
(`unit_of_work`), and anything that changes or reads rows.
"""

from functools import cache
from typing import Any

import orjson
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import JSONB

from bevyly.db.schema.base import Base

Driver = AsyncConnection[Any]


def insertion(row: Base) -> tuple[bytes, list[Any]]:
    """The statement that stores `row`, and its values; what was left out of the row is filled in."""
    complete(row)
    given = row.__dict__
    present = tuple(name for name, _ in _columns(type(row)) if name in given)
    statement, documents = _statement(type(row), present)
    return statement, [_document(given[name]) if name in documents else given[name] for name in present]


def _document(value: Any) -> Jsonb | None:
    return None if value is None else Jsonb(value, dumps=orjson.dumps)


def complete(row: Base) -> None:
    """Set what was left out of a new row; what only the database knows (a time of its own) stays out.

    As loading a row does, past the events of its attributes: nothing changed, and nobody listens yet.
    """
    given = row.__dict__
    for name, column in _columns(type(row)):
        if name in given:
            continue
        default: Any = column.default
        if default is not None:
            given[name] = default.arg(None) if default.is_callable else default.arg
        elif column.server_default is None and column.identity is None:
            given[name] = None


@cache
def _columns(table: type[Base]) -> tuple[tuple[str, Any], ...]:
    return tuple((attribute.key, attribute.columns[0]) for attribute in table.__mapper__.column_attrs)


@cache
def _statement(table: type[Base], present: tuple[str, ...]) -> tuple[bytes, frozenset[str]]:
    """The INSERT of these attributes, and which of them are documents."""
    columns = {name: column for name, column in _columns(table) if name in present}
    names = ", ".join(f'"{column.name}"' for column in columns.values())
    places = ", ".join("%s" for _ in columns)
    documents = frozenset(name for name, column in columns.items() if isinstance(column.type, JSONB))
    return f"insert into {table.__table__} ({names}) values ({places})".encode(), documents
