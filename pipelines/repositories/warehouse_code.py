"""Which dbt code the warehouse was built by. Rows of other code may have other columns, or mean something else.

Each code is kept for good with what its marts are made of, so that a score can name it.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

Connection = psycopg.Connection[Any]

_SOURCES = ("dbt_project.yml", "macros/**/*.sql", "models/**/*.sql", "models/**/*.yml")
_TABLE = """
create schema if not exists intermediate;
create table if not exists intermediate.build_code (code text not null, built_at timestamptz not null default now())
"""
_NOTE = "insert into feature_code (code, marts) values (%s, %s) on conflict (code) do nothing"
_KNOWN = "select coalesce(to_regclass('intermediate.build_code')::text, '')"


def code_of(project: Path) -> str:
    """What the models of a dbt project are made of, as one hash."""
    digest = sha256()
    for path in sorted(path for pattern in _SOURCES for path in project.glob(pattern)):
        digest.update(str(path.relative_to(project)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_built_by(connection: Connection, code: str) -> bool:
    """Whether everything in the warehouse was built by `code`."""
    known = connection.execute(_KNOWN).fetchone()
    if not known or not known[0]:
        return False
    return connection.execute("select from intermediate.build_code where code = %s", (code,)).fetchone() is not None


def note_built_by(connection: Connection, code: str) -> None:
    """Remember that everything was built by `code`."""
    connection.execute(_TABLE)
    connection.execute("delete from intermediate.build_code")
    connection.execute("insert into intermediate.build_code (code) values (%s)", (code,))


def keep_code(connection: Connection, code: str, marts: Mapping[str, Any]) -> None:
    """Keep what the marts of `code` are made of, where that is not known yet."""
    connection.execute(_NOTE, (code, Jsonb(marts)))


def code_in_use(connection: Connection) -> str | None:
    """The code that everything in the warehouse was built by, where Dagster built it."""
    known = connection.execute(_KNOWN).fetchone()
    if not known or not known[0]:
        return None
    found = connection.execute("select code from intermediate.build_code").fetchone()
    return None if found is None else str(found[0])
