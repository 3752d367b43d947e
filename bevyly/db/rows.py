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
_STATE = "_sa_instance_state"


def insertion(row: Base) -> tuple[bytes, list[Any]]:
    """The statement that stores `row`, and its values; what was left out of the row is filled in."""
    complete(row)
    return _insertion(type(row), {name: value for name, value in row.__dict__.items() if name != _STATE})


def insertion_of(table: type[Base], values: dict[str, Any]) -> tuple[bytes, list[Any]]:
    """As `insertion`, for a row that nobody holds; raises `KeyError` for a value that `table` has no place for."""
    return _insertion(table, values | _left_out(table, values))


def _insertion(table: type[Base], given: dict[str, Any]) -> tuple[bytes, list[Any]]:
    statement, documents = _statement(table, tuple(given))
    return statement, [_document(value) if name in documents else value for name, value in given.items()]


def _document(value: Any) -> Jsonb | None:
    return None if value is None else Jsonb(value, dumps=orjson.dumps)


def complete(row: Base) -> None:
    """Set what was left out of a new row; what only the database knows (a time of its own) stays out.

    As loading a row does, past the events of its attributes: nothing changed, and nobody listens yet.
    """
    row.__dict__.update(_left_out(type(row), row.__dict__))


def _left_out(table: type[Base], given: dict[str, Any]) -> dict[str, Any]:
    left: dict[str, Any] = {}
    for name, column in _columns(table).items():
        if name in given:
            continue
        default: Any = column.default
        if default is not None:
            left[name] = default.arg(None) if default.is_callable else default.arg
        elif column.server_default is None and column.identity is None:
            left[name] = None
    return left


@cache
def _columns(table: type[Base]) -> dict[str, Any]:
    return {attribute.key: attribute.columns[0] for attribute in table.__mapper__.column_attrs}


@cache
def _statement(table: type[Base], given: tuple[str, ...]) -> tuple[bytes, frozenset[str]]:
    """The INSERT of these attributes, and which of them are documents."""
    columns = {name: _columns(table)[name] for name in given}
    names = ", ".join(f'"{column.name}"' for column in columns.values())
    places = ", ".join("%s" for _ in columns)
    documents = frozenset(name for name, column in columns.items() if isinstance(column.type, JSONB))
    return f"insert into {table.__table__} ({names}) values ({places})".encode(), documents
