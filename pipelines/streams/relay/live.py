"""What the app shows as it happens: copied from each published batch into `live_events`, in the batch's transaction.

One relay leads and commits one batch after the other, so numbers that the table gives out here become visible in their
order. An event that is published again (a replay, a repair) is there already and is not told twice.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

from bevyly.events import live

CLEAN_SECONDS = 3_600.0
# An hour more than is promised: the clock of a reader's position is that of a statement, not of a commit.
_FORGET = f"delete from live_events where created_at < now() - interval '{live.KEPT_HOURS + 1} hours'"
_KEEP = """
with kept as (
  insert into live_events (customer_id, event_id, topic, type, user_id, envelope)
  select * from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
  on conflict (customer_id, event_id) do nothing
  returning customer_id
)
select pg_notify(%s, customer_id) from (select distinct customer_id from kept) told
"""


def keep(connection: psycopg.Connection[tuple[Any, ...]], published: Iterable[tuple[str, str]]) -> None:
    """Keep what people are told of `published` (tenant, envelope), and wake who listens when the batch commits."""
    rows = [
        (customer_id, told.event_id, told.topic, told.type, told.user_id, envelope)
        for customer_id, envelope in published
        if (told := live.told(envelope)) is not None
    ]
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(_KEEP, (*columns, live.CHANNEL))


class LiveKeeper:
    """Forgets what is older than a day, when it begins and every hour."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = clock()

    def clean(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        """Delete what is too old, if that is due."""
        if self._clock() < self._due:
            return
        connection.execute(_FORGET)
        self._due = self._clock() + CLEAN_SECONDS
