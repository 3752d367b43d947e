"""Places: the stores of the catalogue as they are in this database, with the SQL that their columns need.

Which tables of dbt there are, and of what types columns are, is asked of the database.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from bevyly.db.schema import Base
from bevyly.privacy.catalogue import STORES, WAREHOUSE, warehouse
from bevyly.privacy.store import Store

Connection = psycopg.Connection[Any]

REDACTED = "[erased]"
_COLUMNS = """
select case n.nspname when 'public' then '' else n.nspname || '.' end || c.relname, n.nspname,
       jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ('public', 'raw', 'intermediate', 'marts')
group by 1, 2 having bool_or(a.attname = 'customer_id') order by 1
"""
_SEARCHABLE = ("text", "character", "jsonb", "json", "bytea")


@dataclass(frozen=True)
class Place:
    """A store and the types of its columns."""

    store: Store
    types: dict[str, str]

    @property
    def texts(self) -> list[str]:
        """Columns that can be searched."""
        return [name for name in self.store.texts if self.types[name].startswith(_SEARCHABLE)]

    @property
    def about(self) -> str:
        """Which rows are about the person."""
        store = self.store
        found = [f"{expression} = any(%(ids)s)" for expression in store.about]
        found += [f"lower(t.{column}) = any(%(emails)s)" for column in store.named]
        found += [f"({store.match})"] if store.match else []
        found += [self.mentions] if store.whole else []
        return self._of(found)

    @property
    def seen(self) -> str:
        """Which rows belong in an export: those about the person, and those that mention them."""
        store = self.store
        found = [f"{expression} = any(%(near)s)" for expression in store.near] + [self.cutting, self.mentions]
        return f"({self.about} or {self._of(found)})"

    @property
    def mentions(self) -> str:
        """Which rows mention the person."""
        return _either(self._finds(name, "mention") for name in self.texts)

    @property
    def redactable(self) -> str:
        """Which rows say what is to be taken out of them."""
        return _either(self._finds(name, "redaction") for name in self.texts)

    @property
    def cutting(self) -> str:
        """Which rows hold an id of the person in a column out of which it is taken."""
        return _either(
            f"t.{name}::text[] && %(ids)s" if self.types[name].endswith("[]") else f"t.{name} = any(%(ids)s)"
            for name in self.store.cut
        )

    def _finds(self, column: str, pattern: str) -> str:
        text = self.as_text(column)
        return f'(lower(({text}) collate "C") like any(%({pattern}_hints)s) and {text} ~* %({pattern})s)'

    def _of(self, found: list[str]) -> str:
        about = _either(found)
        if self.store.spare:
            # in this order, whatever the planner thinks the two cost: hardly a row comes to the second
            about = f"case when {about} then not coalesce({self.store.spare}, false) else false end"
        return f"(t.customer_id = %(tenant)s and {about})"

    def as_text(self, column: str) -> str:
        """The column as a text that can be searched."""
        kind = self.types[column]
        if kind == "bytea":
            return f"encode(t.{column}, 'escape')"
        return f"array_to_string(t.{column}, E'\\n')" if kind.endswith("[]") else f"t.{column}::text"

    def redacted(self, column: str) -> str:
        """The column without what is taken out of it, and no longer than it may be."""
        kind, clean = self.types[column], f"regexp_replace({self.as_text(column)}, %(redaction)s, '{REDACTED}', 'gi')"
        if kind.endswith("[]"):
            one = f"regexp_replace(one, %(redaction)s, '{REDACTED}', 'gi')"
            return f"array(select {one} from unnest(t.{column}) with ordinality as x(one, n) order by n)::{kind}"
        return f"decode({clean}, 'escape')" if kind == "bytea" else f"({clean})::{kind}"

    def without_ids(self, column: str) -> str:
        """The column without ids of the person."""
        if self.types[column].endswith("[]"):
            return f"array(select one from unnest(t.{column}) as one where one <> all(%(ids)s))::{self.types[column]}"
        return f"case when t.{column} = any(%(ids)s) then null else t.{column} end"


def places(connection: Connection) -> Iterator[Place]:
    """All stores that can hold somebody and are in this database, children before parents."""
    there = {name: (schema, types) for name, schema, types in connection.execute(_COLUMNS).fetchall()}
    for name, (schema, types) in there.items():
        if schema in WAREHOUSE:
            yield Place(warehouse(name, types), types)
    for store in STORES:
        if not store.nothing and store.table in there:
            yield Place(store, there[store.table][1])


def references(table: str) -> Iterator[tuple[str, str, bool]]:
    """Foreign keys to `table` that hold up a deletion: table, column, whether it may be null."""
    for other in Base.metadata.tables.values():
        for key in other.foreign_key_constraints:
            if key.referred_table.fullname == table and len(key.column_keys) == 2 and key.ondelete is None:
                column = other.c[key.column_keys[1]]
                yield other.fullname, column.name, bool(column.nullable)


def newer(table: str) -> str:
    """What else a change of a row sets, where rows of the table have versions."""
    columns = Base.metadata.tables[table].c
    return ", version = version + 1, updated_at = now()" if "version" in columns and "updated_at" in columns else ""


def _either(conditions: Iterable[str]) -> str:
    return "(" + (" or ".join(conditions) or "false") + ")"
