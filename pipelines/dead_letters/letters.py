"""Statements on dead letters once they are made: finding, locking, resolving. What a redrive does is in `redrive`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

Connection = psycopg.Connection[tuple[Any, ...]]

OPEN, REDRIVEN, DISCARDED = "open", "redriven", "discarded"


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A dead letter without what it carried."""

    id: str
    position: int
    consumer: str
    topic: str
    partition: int
    offset: int
    customer_id: str | None
    event_id: str | None
    type: str | None
    subject: str | None
    code: str
    reason: str
    tries: int
    created_at: datetime
    status: str
    resolved_at: datetime | None
    resolution: str | None


@dataclass(frozen=True, kw_only=True)
class FullLetter(Letter):
    """A dead letter with what it carried."""

    payload: bytes
    key: bytes | None
    headers: list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which letters are meant; what is None is not asked for."""

    ids: Sequence[str] | None = None
    consumer: str | None = None
    status: str | None = None
    code: str | None = None
    subject: str | None = None
    customer_id: str | None = None


_COLUMNS = ", ".join(f'"{name}"' for name in Letter.__dataclass_fields__)
_ALL_COLUMNS = f"{_COLUMNS}, payload, key, headers"
_CHOSEN = """
where (%(ids)s::varchar[] is null or id = any(%(ids)s)) and (%(consumer)s::varchar is null or consumer = %(consumer)s)
  and (%(status)s::varchar is null or status = %(status)s) and (%(code)s::varchar is null or code = %(code)s)
  and (%(subject)s::varchar is null or subject = %(subject)s)
  and (%(customer_id)s::varchar is null or customer_id = %(customer_id)s)
"""
_FIND = f"select {_COLUMNS} from raw.dead_letters {_CHOSEN} order by position desc limit %(limit)s"
_COUNT = f"select consumer, code, status, count(*) from raw.dead_letters {_CHOSEN} group by 1, 2, 3 order by 1, 2, 3"
_GET = f"select {_ALL_COLUMNS} from raw.dead_letters where id = %s"
# in the order of the ids, as a stream locks them
_LOCK_SUBJECT = f"""
select {_ALL_COLUMNS} from raw.dead_letters
where consumer = %s and customer_id = %s and subject = %s and status = 'open' order by id for update
"""
_LOCK = f"select {_ALL_COLUMNS} from raw.dead_letters where id = any(%s) and status = 'open' order by id for update"
_RESOLVE = """
update raw.dead_letters set status = %s, resolved_at = clock_timestamp(), resolution = %s
where id = any(%s) and status = 'open' returning id
"""
_FAILED = "update raw.dead_letters set tries = tries + 1, code = %s, reason = %s where id = %s"


def find(connection: Connection, chosen: Selection, *, limit: int | None = None) -> list[Letter]:
    """Letters that are meant, the latest first."""
    with connection.cursor(row_factory=class_row(Letter)) as cursor:
        return cursor.execute(_FIND, {**chosen.__dict__, "limit": limit}).fetchall()


def numbers(connection: Connection, chosen: Selection) -> list[tuple[str, str, str, int]]:
    """Consumer, code, status, and how many letters."""
    return connection.execute(_COUNT, chosen.__dict__).fetchall()


def get(connection: Connection, letter_id: str) -> FullLetter | None:
    """One letter with what it carried."""
    with connection.cursor(row_factory=class_row(FullLetter)) as cursor:
        return cursor.execute(_GET, (letter_id,)).fetchone()


def lock_subject(connection: Connection, consumer: str, customer_id: str, subject: str) -> list[FullLetter]:
    """Open letters of a subject in the order of their origin, held until the caller's transaction ends.

    A stream parks an event only while it shares a lock on an open letter of the subject. So who holds them all, and
    then looks again, has all there will be.
    """
    with connection.cursor(row_factory=class_row(FullLetter)) as cursor:
        cursor.execute(_LOCK_SUBJECT, (consumer, customer_id, subject))
        return in_order(cursor.execute(_LOCK_SUBJECT, (consumer, customer_id, subject)).fetchall())


def lock(connection: Connection, ids: Iterable[str]) -> list[FullLetter]:
    """Those of the letters that are open, in the order of their origin, held until the caller's transaction ends."""
    with connection.cursor(row_factory=class_row(FullLetter)) as cursor:
        return in_order(cursor.execute(_LOCK, (list(ids),)).fetchall())


def in_order(letters: Iterable[FullLetter]) -> list[FullLetter]:
    """By partition and offset; a subject that changed its partition left the first one for good before the next."""
    given = list(letters)
    began: dict[tuple[str, int], int] = {}
    for letter in given:
        key = (letter.topic, letter.partition)
        began[key] = min(letter.position, began.get(key, letter.position))
    return sorted(given, key=lambda letter: (began[letter.topic, letter.partition], letter.offset))


def resolve(connection: Connection, ids: Iterable[str], *, status: str, resolution: str) -> list[str]:
    """Close open letters; the ids of those that were open."""
    return [row[0] for row in connection.execute(_RESOLVE, (status, resolution, list(ids))).fetchall()]


def failed_again(connection: Connection, letter_id: str, *, code: str, reason: str) -> None:
    """Count one more try of an open letter, and why it failed."""
    connection.execute(_FAILED, (code, reason, letter_id))
