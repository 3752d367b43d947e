"""Statements on the backlog of briefings: what events touched while somebody else was at work on their tenant.

Belongs here: putting off, and taking up again. What becomes of it is for the briefing keeper.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple

from pipelines.repositories.staging import Connection

# Of each tenant no more at once than a batch would bring; two keepers take different rows.
_TAKE = """
select b.customer_id, b.id, b.touched::text
from (select distinct customer_id from briefing_backlog) tenant
cross join lateral (
  select * from briefing_backlog
  where customer_id = tenant.customer_id and due_at <= now() order by id limit %(limit)s for update skip locked
) b
order by b.id
"""
_PUT_OFF = """
insert into briefing_backlog (customer_id, touched, due_at)
select * from unnest(%(customers)s::varchar[], %(touched)s::jsonb[], array_fill(now(), array[%(number)s]))
"""
_DONE = "delete from briefing_backlog where id = any(%(ids)s)"
_LATER = "update briefing_backlog set due_at = now() + %(delay)s where id = any(%(ids)s)"


class PutOff(NamedTuple):
    """A row of the backlog; `touched` is JSON text."""

    customer_id: str
    id: int
    touched: str


def put_off(connection: Connection, touched: Mapping[str, str]) -> None:
    """Keep what was touched, JSON text by tenant, until `take_up`."""
    parameters = {"customers": list(touched), "touched": list(touched.values()), "number": len(touched)}
    connection.execute(_PUT_OFF, parameters)


def take_up(connection: Connection, *, limit: int) -> list[PutOff]:
    """What is due, at most `limit` rows a tenant, the oldest first; it is the caller's until the transaction ends."""
    return [PutOff(*row) for row in connection.execute(_TAKE, {"limit": limit}).fetchall()]


def settle(connection: Connection, rows: Iterable[PutOff]) -> None:
    """These rows have taken effect."""
    connection.execute(_DONE, {"ids": [row.id for row in rows]})


def postpone(connection: Connection, rows: Collection[PutOff], *, delay: timedelta) -> None:
    """Leave these rows alone for a while."""
    connection.execute(_LATER, {"ids": [row.id for row in rows], "delay": delay})
