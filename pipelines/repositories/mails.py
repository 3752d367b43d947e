"""Statements on queued mails: claimed, finished, forgotten. Queueing is `bevyly.mail`'s."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

AsyncConnection = psycopg.AsyncConnection[tuple[Any, ...]]

_CLAIM = """
update mails set tries = mails.tries + 1, next_attempt_at = %(until)s
from (
  select customer_id, id from mails where status = 'pending' and next_attempt_at <= %(at)s
  order by next_attempt_at limit %(limit)s for update skip locked
) due
where mails.customer_id = due.customer_id and mails.id = due.id
returning mails.customer_id, mails.id, mails.recipient, mails.body, mails.tries, mails.expires_at, mails.created_at
"""
_FINISH = """
update mails set status = %(status)s, last_error = %(error)s,
  next_attempt_at = coalesce(%(again)s, next_attempt_at),
  finished_at = case when %(again)s::timestamptz is null then %(at)s::timestamptz end,
  body = case when %(again)s::timestamptz is not null then body end
where customer_id = %(customer_id)s and id = %(id)s and status = 'pending' and tries = %(tries)s
"""
_FORGET = """
delete from mails where (customer_id, id) in (
  select customer_id, id from mails where created_at < %(before)s and status <> 'pending' limit %(limit)s
)
"""
_MEASURE = """
select count(*), coalesce(extract(epoch from %(at)s - min(next_attempt_at)), 0)
from mails where status = 'pending' and next_attempt_at <= %(at)s
"""


@dataclass(frozen=True)
class Claimed:
    """A mail that is to be sent now; `tries` counts this try."""

    customer_id: str
    id: str
    recipient: str
    body: str
    tries: int
    expires_at: datetime | None
    created_at: datetime


async def claim(connection: AsyncConnection, *, at: datetime, lease: timedelta, limit: int) -> list[Claimed]:
    """Mails that are due, at most `limit`; nobody else gets them until the lease ends."""
    async with connection.cursor(row_factory=class_row(Claimed)) as cursor:
        await cursor.execute(_CLAIM, {"at": at, "until": at + lease, "limit": limit})
        return await cursor.fetchall()


async def finish(
    connection: AsyncConnection, one: Claimed, *, status: str, error: str | None, again: datetime | None, at: datetime
) -> bool:
    """Write down what came of a try, and when the next is; False where a later try has begun."""
    values: dict[str, Any] = {"status": status, "error": error, "again": again, "at": at}
    values |= {"customer_id": one.customer_id, "id": one.id, "tries": one.tries}
    return (await connection.execute(_FINISH, values)).rowcount > 0


async def forget(connection: AsyncConnection, *, before: datetime, limit: int) -> int:
    """Delete at most `limit` mails that ended, of before that moment; how many."""
    return (await connection.execute(_FORGET, {"before": before, "limit": limit})).rowcount


async def measure(connection: AsyncConnection, *, at: datetime) -> tuple[int, float]:
    """How many mails are due, and for how many seconds the oldest of them."""
    row = await (await connection.execute(_MEASURE, {"at": at})).fetchone()
    return (row[0], float(row[1])) if row else (0, 0.0)
