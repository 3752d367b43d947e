"""`python -m pipelines.streams.relay`: publish what the outbox holds, in its order, at least once.

Rows are deleted in the transaction that waits for Kafka's acknowledgement, so that a crash anywhere repeats events
and loses none; consumers drop repeats by event id. Any number of relays may run: one leads, the others stand by. A
leader that stalls loses its session within a lease (`bevyly.db.leadership`); what it may still send when it wakes up
was published by its successor before, so no consumer sees an entity's events in another order.
"""

import threading
import time
from typing import Any

import psycopg
import structlog
import typer
from prometheus_client import Counter, Gauge

from bevyly.db.leadership import DATABASE_AWAY, LEASE_SECONDS, leadership
from bevyly.errors import Unavailable
from bevyly.events.bus import BrokerUnavailable, Publisher
from bevyly.events.failpoints import failpoint
from bevyly.settings import Settings, get_settings
from bevyly.telemetry import configure_logging
from pipelines.process import Outage, serve_metrics, stop_on_signals

ROLE = "relay"
BATCH = 2_000
POLL_SECONDS = 0.1
STANDBY_SECONDS = 0.5
MEASURE_SECONDS = 5.0

published = Counter("bevyly_relay_published", "Events that Kafka acknowledged", ["topic"])
waiting = Gauge("bevyly_relay_waiting", "Events in the outbox, at most")
oldest = Gauge("bevyly_relay_oldest_seconds", "Age of the oldest event in the outbox")
leading = Gauge("bevyly_relay_leading", "1 while this relay leads")

_TAKE = """
with taken as (
  delete from outbox where position in (select position from outbox order by position limit %s)
  returning position, topic, customer_id, envelope
)
select topic, customer_id, envelope from taken order by position
"""
_MEASURE = """
select (select max(position) from outbox) - position + 1, extract(epoch from now() - created_at)
from outbox order by position limit 1
"""

_log = structlog.get_logger()


class LeaseDoubtful(Unavailable):
    """So much time passed since PostgreSQL last answered that another relay may lead."""

    code = "lease_doubtful"


class Relay:
    """Moves events from the outbox to Kafka while its connection leads."""

    def __init__(self, publisher: Publisher, *, batch: int = BATCH) -> None:
        self._publisher = publisher
        self._batch = batch

    def publish_batch(self, connection: psycopg.Connection[tuple[Any, ...]]) -> int:
        """Publish the oldest events and delete them; how many. On an error nothing is deleted."""
        asked = time.monotonic()
        with connection.transaction():
            rows = connection.execute(_TAKE, (self._batch,)).fetchall()
            failpoint("after_fetch")
            if rows and time.monotonic() - asked > LEASE_SECONDS / 2:
                raise LeaseDoubtful("PostgreSQL took long to answer")
            for topic, customer_id, envelope in rows:
                self._publisher.send(topic, key=customer_id, value=envelope)
            failpoint("after_produce")
            self._publisher.flush(while_waiting=lambda: connection.execute("select 1"))
            failpoint("after_flush")
            self._count(rows)
            failpoint("before_commit")
        return len(rows)

    def _count(self, rows: list[tuple[Any, ...]]) -> None:
        for topic in {row[0] for row in rows}:
            published.labels(topic=topic).inc(sum(row[0] == topic for row in rows))

    def drain(self, connection: psycopg.Connection[tuple[Any, ...]], stop: threading.Event) -> int:
        """Publish until the outbox is empty or `stop` is set; how many."""
        total = 0
        while not stop.is_set():
            moved = self.publish_batch(connection)
            total += moved
            if moved < self._batch:
                break
        return total

    def discard(self) -> None:
        """Forget what was handed to Kafka and not acknowledged."""
        self._publisher.discard()


def run(settings: Settings, stop: threading.Event) -> None:
    """Lead or stand by until `stop` is set; outages of Kafka or PostgreSQL are waited out."""
    relay, outage = Relay(Publisher(settings)), Outage(ROLE)
    while not stop.is_set():
        try:
            with leadership(settings.require_pipeline_database(), ROLE) as connection:
                if connection is None:
                    outage.over()
                    stop.wait(STANDBY_SECONDS)
                else:
                    _lead(relay, connection, stop, outage)
        except (*DATABASE_AWAY, BrokerUnavailable, LeaseDoubtful) as error:
            leading.set(0)
            relay.discard()
            outage.failed(error, stop)


def _lead(relay: Relay, connection: psycopg.Connection[tuple[Any, ...]], stop: threading.Event, outage: Outage) -> None:
    _log.info("relay leads")
    leading.set(1)
    measured = 0.0
    while not stop.is_set():
        if time.monotonic() - measured > MEASURE_SECONDS:
            _measure(connection)
            measured = time.monotonic()
        relay.drain(connection, stop)
        outage.over()
        stop.wait(POLL_SECONDS)
    leading.set(0)


def _measure(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    row = connection.execute(_MEASURE).fetchone() or (0, 0.0)
    waiting.set(row[0])
    oldest.set(row[1])


def main(metrics_port: int | None = None) -> None:
    """Publish events from the outbox to Kafka until told to stop."""
    settings = get_settings()
    configure_logging(settings.log_level)
    serve_metrics(metrics_port)
    run(settings, stop_on_signals())


if __name__ == "__main__":
    typer.run(main)
