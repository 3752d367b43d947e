"""The event path of one test, from the outbox to raw events, and the proof that nothing is missing on it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from bevyly.events.bus import make_consumer, partitions_of, watermarks
from bevyly.events.catalogue import topics
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.intake import drain
from pipelines.reconciliation import Reconciliation, reconcile
from tests.support.event_streams import call, fill_outbox, relay_all

GROUPS = ("raw", "signal-detector", "agent-trigger")


@dataclass(frozen=True)
class EventPath:
    """The event path of one test: what was published since it began is its own."""

    settings: Settings
    tenants: list[str]
    began: datetime

    def publish(self, *events: Event) -> None:
        """From the outbox to Kafka and the journal."""
        fill_outbox(self.settings, events)
        relay_all(self.settings)

    def run(self, events: int = 60) -> list[Event]:
        """Events about six new opportunities, of both tenants in turn, from the outbox to raw events, in order."""
        owners = [(tenant, new_id()) for _ in range(3) for tenant in self.tenants]
        made = [call(*owners[number % len(owners)], number // len(owners) + 1) for number in range(events)]
        self.publish(*made)
        drain(self.settings)
        return made

    def reconcile(self, *, tenant: str | None = None, since: datetime | None = None) -> Reconciliation:
        """Everything since the test began."""
        until = datetime.now(UTC) + timedelta(minutes=1)
        return reconcile(self.settings, since=since or self.began, until=until, tenant=tenant)

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> int:
        """Change something as the owner of all tables; how many rows."""
        with psycopg.connect(self.settings.require_database()) as connection:
            return connection.execute(statement.encode(), parameters).rowcount

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of `query`, read by the owner."""
        with psycopg.connect(self.settings.require_database()) as connection:
            return connection.execute(query.encode()).fetchall()


def start_behind(settings: Settings, address: str) -> None:
    """Let consumers stand behind what is on Kafka already."""
    consumer = make_consumer(settings, group="setup")
    ends = [(one.topic, one.partition, watermarks(consumer, one)[1]) for one in partitions_of(consumer, topics())]
    consumer.close()
    with psycopg.connect(address) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into raw.consumer_offsets values (%s, %s, %s, %s, now())",
            [(group, *end) for group in GROUPS for end in ends],
        )


@contextmanager
def at_work(process: Callable[..., object], *given: object) -> Iterator[None]:
    """`process`, which takes an event that stops it last, in a thread of its own."""
    stop = threading.Event()
    worker = threading.Thread(target=process, args=(*given, stop))
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join(30)
        assert not worker.is_alive()
