"""Dead letters as rows: written in the transaction that moves the offset, so that none is lost or made twice.

Belongs here: recording, and what holds back later events of a subject. Reading and resolving are in `letters`.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import psycopg
from confluent_kafka import Message

from bevyly.events.dead_letters import DeadLetter, plain
from bevyly.ids import ID_LENGTH, new_id

Connection = psycopg.Connection[tuple[Any, ...]]
Subject = tuple[str, str]
"""Tenant and subject of an event."""

PARKED = "parked"
_TYPE_LENGTH, _SUBJECT_LENGTH = 100, 87

_RECORD = """
insert into raw.dead_letters (
  id, consumer, topic, partition, "offset", customer_id, event_id, type, subject, code, reason, tries, payload, key,
  headers
) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (consumer, topic, partition, "offset") do nothing
"""
# Another message at the place of an older letter: the log began anew. The older one keeps its order, below zero.
_MAKE_ROOM = """
update raw.dead_letters as older set "offset" = older.position - 4611686018427387904
from unnest(%s::varchar[], %s::int[], %s::bigint[], %s::bytea[]) as given (topic, partition, "offset", payload)
where older.consumer = %s and older.topic = given.topic and older.partition = given.partition
  and older."offset" = given."offset" and older.payload <> given.payload
"""
# In the order of the partial index: where many resolved letters lie before the open ones, a scan would read them all.
_HOLDING = """
select
  coalesce((
    select true from raw.dead_letters where consumer = %(consumer)s and status = 'open'
    order by customer_id, subject limit 1
  ), false),
  exists (select from raw.consumer_halts where consumer = %(consumer)s and released_at is null)
"""
# A redrive that holds these rows is waited for: what it has resolved by then no longer counts.
_HELD_BACK = """
select letter.customer_id, letter.subject from unnest(%s::varchar[], %s::varchar[]) as given (customer_id, subject)
cross join lateral (
  select customer_id, subject from raw.dead_letters
  where consumer = %s and customer_id = given.customer_id and subject = given.subject and status = 'open'
  order by id for share
) as letter
"""


class _Said(msgspec.Struct, rename={"tenant": "tenantid"}):
    """What a message says of itself; any of it may be missing or wrong."""

    tenant: object = None
    id: object = None
    type: object = None
    subject: object = None


_said = msgspec.json.Decoder(_Said)


def record(connection: Connection, letters: Sequence[DeadLetter], *, consumer: str) -> int:
    """Write `letters` in the caller's transaction; how many were new. The same message again changes nothing."""
    if not letters:
        return 0
    messages = [letter.message for letter in letters]
    origins = [
        [one.topic() for one in messages],
        [one.partition() for one in messages],
        [one.offset() for one in messages],
        [one.value() or b"" for one in messages],
    ]
    connection.execute(_MAKE_ROOM, (*origins, consumer))
    with connection.cursor() as cursor:
        cursor.executemany(_RECORD, [_row(letter, consumer) for letter in letters])
        return cursor.rowcount


def holding(connection: Connection, consumer: str) -> tuple[bool, bool]:
    """Whether `consumer` has open letters, and whether it is halted: one cheap question for every batch."""
    row = connection.execute(_HOLDING, {"consumer": consumer}).fetchone()
    assert row is not None
    return bool(row[0]), bool(row[1])


def held_back(connection: Connection, consumer: str, subjects: Iterable[Subject]) -> set[Subject]:
    """Those of `subjects` with an open letter, locked against a redrive until the caller's transaction ends."""
    wanted = sorted(set(subjects))
    columns = [[customer for customer, _ in wanted], [subject for _, subject in wanted]]
    return {(row[0], row[1]) for row in connection.execute(_HELD_BACK, (*columns, consumer)).fetchall()}


def _row(letter: DeadLetter, consumer: str) -> tuple[Any, ...]:
    message = letter.message
    payload = message.value() or b""
    said = _read(payload)
    return (
        new_id(), consumer, message.topic(), message.partition(), message.offset(), _id(said.tenant), _id(said.id),
        _text(said.type, _TYPE_LENGTH), _text(said.subject, _SUBJECT_LENGTH), letter.code,
        plain(letter.reason), letter.tries, payload, message.key(), _headers(message),
    )  # fmt: skip


def _read(payload: bytes) -> _Said:
    try:
        return _said.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Said()


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) == ID_LENGTH and "\0" not in value else None


def _text(value: object, length: int) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= length and "\0" not in value else None


def _headers(message: Message) -> str:
    pairs = [[str(pair[0]), _decoded(pair[1])] for pair in message.headers() or []]
    return json.dumps(pairs).replace("\\u0000", "\\ufffd")


def _decoded(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
