"""Leading: who publishes, when to look for events, and what else the leader does between two batches."""

import threading
import time
from typing import Any

import psycopg
import structlog

from bevyly.db.leadership import DATABASE_AWAY, leadership
from bevyly.events.bus import BrokerUnavailable, Publisher
from bevyly.events.wakeup import LISTEN
from bevyly.settings import Settings
from pipelines.process import Outage
from pipelines.streams.relay.journal import JournalKeeper
from pipelines.streams.relay.live import LiveKeeper
from pipelines.streams.relay.metrics import leading, measure, wakeups
from pipelines.streams.relay.publish import LeaseDoubtful, Relay
from pipelines.streams.spreads import Spreads

ROLE = "relay"
# both bound how long a stop is not heard; the lease needs the leader to speak twice in it
POLL_SECONDS = 0.2
STANDBY_SECONDS = 0.5
MEASURE_SECONDS = 5.0

_log = structlog.get_logger()


def run(settings: Settings, stop: threading.Event, *, poll_seconds: float = POLL_SECONDS) -> None:
    """Lead or stand by until `stop` is set; outages of Kafka or PostgreSQL are waited out."""
    spreads, outage, standby = Spreads(settings), Outage(ROLE), False
    relay = Relay(Publisher(settings), on_published=spreads.note)
    while not stop.is_set():
        try:
            with leadership(settings.require_pipeline_database(), ROLE) as connection:
                if connection is None:
                    outage.over()
                    if not standby:
                        _log.info("relay stands by")
                    standby = True
                    stop.wait(STANDBY_SECONDS)
                else:
                    standby = False
                    _Leader(settings, relay, spreads, connection).lead(stop, outage, poll_seconds)
        except (*DATABASE_AWAY, BrokerUnavailable, LeaseDoubtful) as error:
            relay.discard()
            outage.failed(error, stop)
        finally:
            leading.set(0)


class _Leader:
    """One time of leading, on one connection."""

    def __init__(
        self, settings: Settings, relay: Relay, spreads: Spreads, connection: psycopg.Connection[tuple[Any, ...]]
    ) -> None:
        self._relay = relay
        self._spreads = spreads
        self._connection = connection
        self._journal = JournalKeeper(settings.journal_days)
        self._live = LiveKeeper()
        self._measured = 0.0

    def lead(self, stop: threading.Event, outage: Outage, poll_seconds: float) -> None:
        """Publish until `stop` is set; woken by a nudge, at the latest after `poll_seconds`."""
        _log.info("relay leads")
        leading.set(1)
        self._connection.execute(LISTEN)
        self._spreads.begin()
        while not stop.is_set():
            self._between_batches()
            moved = self._relay.publish_batch(self._connection)
            outage.over()
            if moved < self._relay.batch:
                self._wait(poll_seconds)

    def _between_batches(self) -> None:
        self._journal.keep(self._connection)
        self._live.clean(self._connection)
        self._spreads.step(self._connection)
        self._relay.held, self._relay.spread = self._spreads.held, self._spreads.active
        if time.monotonic() - self._measured > MEASURE_SECONDS:
            measure(self._connection)
            self._measured = time.monotonic()

    def _wait(self, seconds: float) -> None:
        # read to the end: what stays behind would end the next wait at once
        nudged = sum(1 for _ in self._connection.notifies(timeout=seconds, stop_after=1))
        wakeups.labels(cause="notify" if nudged else "poll").inc()
