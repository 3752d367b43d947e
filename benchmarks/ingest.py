"""`python -m benchmarks.ingest`: the event path against PostgreSQL's and librdkafka's own best, on servers of its own.

Prints one JSON line a figure: `value` and `reference` are events per second (medians of interleaved rounds), `ratio` is
what to compare between machines. References, of the same events in the same round: `copy`, plain COPY of the rows that
were stored into the same table; `consume`, librdkafka draining the topic and doing nothing else. PostgreSQL is durable.

Where other work shares the processors, wall time says little: `..._microseconds` are those of the busier of the two
sides (our thread, its PostgreSQL backend), which work at the same time, against those of the backend of plain COPY.
"""

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any

import psycopg
from confluent_kafka import TopicPartition

from bevyly.clock import FixedClock
from bevyly.db.leadership import leadership
from bevyly.db.migrate import upgrade
from bevyly.events.bus import Publisher, make_consumer
from bevyly.events.envelope import Event, new_event
from bevyly.events.outbox import copy_to_outbox
from bevyly.events.topics import create_topics
from bevyly.ids import new_id
from bevyly.runtime.kafka import throwaway_kafka
from bevyly.runtime.postgres import EmbeddedPostgres, throwaway_postgres
from bevyly.settings import Settings
from pipelines.intake import drain
from pipelines.intake.ingest import BATCH, Intake, opened
from pipelines.streams.relay import ROLE, Relay

EVENTS = 60_000
ROUNDS = 5
CLOCK = FixedClock(datetime(2026, 11, 23, 8, tzinfo=UTC))


def events(tenants: list[str], number: int) -> Iterator[Event]:
    """Calls of about 800 bytes, the commonest event of a sales team."""
    people = [new_id() for _ in range(500)]
    for index in range(number):
        who = people[index % 500]
        data = {
            "activity_id": new_id(),
            "kind": "call",
            "direction": "outbound",
            "account_id": who,
            "contact_id": who,
            "opportunity_id": who,
            "owner_id": who,
            "participants": [{"contact_id": who, "email": "mara.lind@northwind.example", "role": "to"}],
            "subject": "Follow up the offer",
            "duration_seconds": index % 900,
            "custom": {"queue": "offers"},
        }
        tenant = tenants[index % len(tenants)]
        yield new_event(
            "call.completed", tenant_id=tenant, subject=("opportunity", who), sequence=index + 1, data=data, clock=CLOCK
        )


def timed(work: Callable[[], object], *, number: int = EVENTS) -> float:
    """Events per second of `work`, which handles `number` of them."""
    started = time.perf_counter()
    work()
    return number / (time.perf_counter() - started)


class Round:
    """One pass of the same events through everything that is measured."""

    def __init__(self, settings: Settings, server: EmbeddedPostgres, tenants: list[str]) -> None:
        self._settings = settings
        self._url = settings.require_pipeline_database()
        self._tenants = tenants
        assert server.child is not None
        assert server.child.identity is not None
        self._postmaster = server.child.identity.process()
        self.figures: dict[str, float] = {}

    def run(self) -> dict[str, float]:
        """Every figure of this pass, by name."""
        self._fill()
        with self._owner() as owner:
            owner.execute("truncate raw.events")
            before = positions(owner)
        self.figures["consume"] = timed(lambda: consume(self._settings, before))
        self.figures["ingest"] = self._ingest("ingest", "rows")
        self._copy()
        with self._owner() as owner:
            place(owner, before)
        self.figures["reread"] = self._ingest("reread", "duplicates")
        return self.figures

    def _owner(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._settings.require_database(), autocommit=True)

    def _fill(self) -> None:
        made = list(events(self._tenants, EVENTS))
        with psycopg.connect(self._url) as connection:
            self.figures["outbox"] = timed(lambda: (copy_to_outbox(connection, made), connection.commit()))
        with leadership(self._url, ROLE) as leader:
            assert leader is not None
            relay = Relay(Publisher(self._settings))
            self.figures["relay"] = timed(lambda: relay.drain(leader, threading.Event()))

    def _ingest(self, name: str, outcome: str) -> float:
        """Rate of an ingest that runs already (its first batch waits for Kafka), and what each of its sides costs."""
        backends, thread = self._backends(), time.thread_time()
        with opened(self._settings) as intake:
            assert intake is not None
            left = EVENTS - intake.step()
            rate = timed(lambda: take(intake, left), number=left)
            assert intake.counts[outcome] == EVENTS, intake.counts
        thread, backends = time.thread_time() - thread, self._backends() - backends
        self.figures[f"{name}_cpu"] = max(thread, backends) / EVENTS
        return rate

    def _copy(self) -> None:
        """Plain COPY of all rows of raw.events into raw.events."""
        with self._owner() as owner, owner.cursor() as cursor:
            with cursor.copy("copy raw.events to stdout (format binary)") as copy:
                rows = b"".join(bytes(block) for block in copy)
            cursor.execute("truncate raw.events")
        backends = self._backends()
        with self._owner() as owner, owner.cursor() as cursor:

            def plain_copy() -> None:
                with cursor.copy("copy raw.events from stdin (format binary)") as copy:
                    copy.write(rows)

            self.figures["copy"] = timed(plain_copy)
            assert cursor.execute("select count(*) from raw.events").fetchone() == (EVENTS,)
        self.figures["copy_cpu"] = (self._backends() - backends) / EVENTS

    def _backends(self) -> float:
        """Processor seconds of all backends that have ended."""
        time.sleep(0.1)
        times = self._postmaster.cpu_times()
        return float(times.children_user + times.children_system)


def positions(owner: psycopg.Connection[Any]) -> list[tuple[str, int, int]]:
    """Where the ingest stands."""
    found = owner.execute("select topic, partition, next_offset from raw.consumer_offsets where consumer_group = 'raw'")
    return found.fetchall()


def place(owner: psycopg.Connection[Any], at: list[tuple[str, int, int]]) -> None:
    """Let the ingest stand where it stood."""
    statement = """
        update raw.consumer_offsets set next_offset = %s where consumer_group = 'raw' and topic = %s and partition = %s
    """
    with owner.cursor() as cursor:
        cursor.executemany(statement, [(offset, topic, partition) for topic, partition, offset in at])


def take(intake: Intake, left: int) -> None:
    """Store `left` events."""
    while left:
        left -= intake.step(min(left, BATCH))


def consume(settings: Settings, since: list[tuple[str, int, int]]) -> None:
    """Drain the topics with librdkafka alone."""
    with closing(make_consumer(settings, group="benchmark")) as consumer:
        consumer.assign([TopicPartition(*place) for place in since])
        left = EVENTS
        while left:
            left -= len(consumer.consume(min(left, 10_000), 1.0))


def main() -> None:
    """Run the rounds, print the figures."""
    with ExitStack() as stack:
        server = stack.enter_context(throwaway_postgres(durable=True))
        broker = stack.enter_context(throwaway_kafka())
        settings = Settings(database_url=server.url, kafka_brokers=broker.url)
        upgrade(server.url)
        create_topics(settings)
        tenants = [new_id() for _ in range(3)]
        with psycopg.connect(server.url) as connection:
            for tenant in tenants:
                connection.execute("insert into customers (id, name) values (%s, 'benchmark')", (tenant,))
        drain(settings)
        rounds = [Round(settings, server, tenants).run() for _ in range(ROUNDS)]
    for name in ("outbox", "relay", "ingest", "reread"):
        show(f"{name}_events_per_second", rounds, name, "copy")
    show("ingest_against_librdkafka_events_per_second", rounds, "ingest", "consume")
    for name in ("ingest", "reread"):
        show(f"{name}_microseconds", rounds, f"{name}_cpu", "copy_cpu", scale=1e6)


def show(label: str, rounds: list[dict[str, float]], name: str, reference: str, *, scale: float = 1.0) -> None:
    """Print one figure; a ratio above 1 is better than the reference, whether these are rates or times."""
    value, anchor = (scale * statistics.median(one[key] for one in rounds) for key in (name, reference))
    ratio = statistics.median(one[name] / one[reference] for one in rounds)
    if scale != 1.0:
        ratio = 1 / ratio
    line = {"name": label, "value": round(value, 1), "reference": round(anchor, 1), "ratio": round(ratio, 3)}
    sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
