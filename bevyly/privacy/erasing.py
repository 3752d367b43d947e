"""Erasing a person, and counting what there is of them: the catalogue as statements, in the caller's transaction.

First what stays is redacted, then rows go, children first, each after the foreign keys to it are cut. Repeating it
changes nothing.
"""

from collections.abc import Mapping
from typing import Any

import psycopg

from bevyly.privacy.places import Place, newer, places, references

Connection = psycopg.Connection[Any]
Parameters = dict[str, Any]


def count(connection: Connection, parameters: Parameters) -> dict[str, int]:
    """Rows that hold something of the person, by table, where there are any."""
    found = {place.store.table: _count(connection, place, parameters) for place in places(connection)}
    return {table: number for table, number in found.items() if number}


def erase(connection: Connection, parameters: Parameters) -> dict[str, int]:
    """Leave nothing of the person; how many rows were concerned, by table."""
    concerned = count(connection, parameters)
    there = list(places(connection))
    for place in there:
        change(connection, place, parameters)
    for place in there:
        if _goes(place):
            _cut(connection, place, parameters)
            _run(connection, f"delete from {place.store.table} t where {place.about}", parameters)
    return concerned


def change(connection: Connection, place: Place, parameters: Parameters, *, only: str = "true") -> None:
    """Blank the rows about the person that stay, redact those that mention them. `only` narrows the rows."""
    store = place.store
    if store.function:
        connection.execute(f"select {store.function}(%(tenant)s, %(mention)s, %(mention_hints)s)".encode(), parameters)
        return
    if store.becomes:
        _set(connection, place, store.becomes, f"{place.about} and {only}", parameters)
    # what is redacted is found by ids that are cut then
    if place.texts and not store.whole:
        redacted = {column: place.redacted(column) for column in place.texts} | dict(store.bump)
        stays = f"({place.about}) is not true" if _goes(place) else "true"
        _set(connection, place, redacted, f"{stays} and {place.seen} and {place.redactable} and {only}", parameters)
    if store.cut:
        cuts = {column: place.without_ids(column) for column in store.cut}
        _set(connection, place, cuts, f"t.customer_id = %(tenant)s and {place.cutting} and {only}", parameters)


def _count(connection: Connection, place: Place, parameters: Parameters) -> int:
    row = _run(connection, f"select count(*) from {place.store.table} t where {place.seen}", parameters).fetchone()
    return int(row[0]) if row else 0


def _goes(place: Place) -> bool:
    """Whether rows about the person are deleted."""
    store = place.store
    can_be_about = store.about or store.named or store.match or store.whole
    return bool(can_be_about) and not store.becomes and not store.function


def _cut(connection: Connection, place: Place, parameters: Parameters) -> None:
    for table, column, nullable in references(place.store.table):
        if nullable:
            gone = f"select t.id from {place.store.table} t where {place.about}"
            _run(
                connection,
                f"update {table} set {column} = null{newer(table)} "
                f"where customer_id = %(tenant)s and {column} in ({gone})",
                parameters,
            )


def _set(connection: Connection, place: Place, values: Mapping[str, str], where: str, parameters: Parameters) -> None:
    assignments = ", ".join(f"{column} = {value}" for column, value in values.items())
    _run(connection, f"update {place.store.table} t set {assignments} where {where}", parameters)


def _run(connection: Connection, statement: str, parameters: Parameters) -> psycopg.Cursor[Any]:
    return connection.execute(statement.encode(), parameters)
