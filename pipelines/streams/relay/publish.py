"""Publication: one batch from the outbox to Kafka and into the journal.

Rows are moved in the transaction that waits for Kafka's acknowledgement, so that a crash anywhere repeats events and
loses none, and the journal holds each exactly once; consumers drop repeats by event id.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import psycopg

from bevyly.db.leadership import LEASE_SECONDS
from bevyly.errors import Unavailable
from bevyly.events.bus import Publisher
from bevyly.events.failpoints import failpoint
from bevyly.events.keys import MESSAGE_KEY
from pipelines.streams.relay import live
from pipelines.streams.relay.metrics import batches, published

BATCH = 2_000

# by ctid: a row of the outbox is never updated, and looking each up by its position again costs a third more
_TAKE = """
with taken as (
  delete from outbox
  where ctid = any(array(select ctid from outbox {condition} order by position limit %(batch)s))
  returning position, customer_id, event_id, topic, {key} as key, envelope, created_at
), kept as (
  insert into event_journal (published_at, position, customer_id, event_id, topic, key, envelope, created_at)
  select now(), position, customer_id, event_id, topic, key, envelope, created_at from taken
)
select topic, key, customer_id, envelope from taken order by position
"""
_ALL = _TAKE.format(condition="", key=MESSAGE_KEY)
_NOT_HELD = _TAKE.format(condition="where customer_id <> all(%(held)s)", key=MESSAGE_KEY)


class LeaseDoubtful(Unavailable):
    """So much time passed since PostgreSQL last answered that another relay may lead."""

    code = "lease_doubtful"


class Relay:
    """Moves events from the outbox to Kafka while its connection leads.

    `held` are the tenants whose events wait, `spread` those keyed by entity (see `pipelines.streams.spreads`). After
    each batch `on_published` is told how many events of which tenant it had.
    """

    def __init__(
        self,
        publisher: Publisher,
        *,
        batch: int = BATCH,
        on_published: Callable[[Counter[str]], None] | None = None,
    ) -> None:
        self._publisher = publisher
        self._on_published = on_published
        self.batch = batch
        self.held: list[str] = []
        self.spread: list[str] = []

    def publish_batch(self, connection: psycopg.Connection[tuple[Any, ...]]) -> int:
        """Publish the oldest events and move them to the journal; how many. On an error nothing is moved."""
        asked = time.monotonic()
        with connection.transaction():
            rows = self._take(connection)
            failpoint("after_fetch")
            if rows and time.monotonic() - asked > LEASE_SECONDS / 2:
                raise LeaseDoubtful("PostgreSQL took long to answer")
            for topic, key, _, envelope in rows:
                self._publisher.send(topic, key=key, value=envelope)
            failpoint("after_produce")
            self._publisher.flush(while_waiting=lambda: connection.execute("select 1"))
            failpoint("after_flush")
            live.keep(connection, ((customer_id, envelope) for _, _, customer_id, envelope in rows))
            _count(rows)
            failpoint("before_commit")
        if self._on_published:
            self._on_published(Counter(map(itemgetter(2), rows)))
        return len(rows)

    def _take(self, connection: psycopg.Connection[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        parameters = {"batch": self.batch, "held": self.held, "spread": self.spread}
        return connection.execute(_NOT_HELD if self.held else _ALL, parameters).fetchall()

    def drain(self, connection: psycopg.Connection[tuple[Any, ...]], stop: threading.Event) -> int:
        """Publish until nothing is left to publish or `stop` is set; how many."""
        total = 0
        while not stop.is_set():
            moved = self.publish_batch(connection)
            total += moved
            if moved < self.batch:
                break
        return total

    def discard(self) -> None:
        """Forget what was handed to Kafka and not acknowledged."""
        self._publisher.discard()


def _count(rows: list[tuple[Any, ...]]) -> None:
    for topic, number in Counter(map(itemgetter(0), rows)).items():
        published.labels(topic=topic).inc(number)
    if rows:
        batches.observe(len(rows))
