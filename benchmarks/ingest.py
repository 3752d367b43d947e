"""`python -m benchmarks.ingest`: the event path against PostgreSQL's own best, on servers of its own.

Prints one JSON line a figure: `value` and `reference` are events per second (medians of interleaved rounds), `ratio` is
what to compare between machines. The reference of both is plain COPY of the very same rows into the very same table.
"""

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import psycopg

from bevyly.clock import FixedClock
from bevyly.db.leadership import leadership
from bevyly.db.migrate import upgrade
from bevyly.events.bus import Publisher
from bevyly.events.envelope import Event, new_event
from bevyly.events.outbox import copy_to_outbox
from bevyly.events.topics import create_topics
from bevyly.ids import new_id
from bevyly.runtime.kafka import throwaway_kafka
from bevyly.runtime.postgres import throwaway_postgres
from bevyly.settings import Settings
from pipelines.intake import drain
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


def timed(work: Callable[[], object]) -> float:
    """Events per second of `work`, which handles `EVENTS` of them."""
    started = time.perf_counter()
    work()
    return EVENTS / (time.perf_counter() - started)


def one_round(settings: Settings, tenants: list[str]) -> dict[str, float]:
    """Rates of one pass: outbox, relay, ingest, and the reference over the rows that this pass stored."""
    url = settings.require_pipeline_database()
    with psycopg.connect(settings.require_database(), autocommit=True) as owner:
        owner.execute("truncate raw.events")
        made = list(events(tenants, EVENTS))
        with psycopg.connect(url) as connection:
            written = timed(lambda: (copy_to_outbox(connection, made), connection.commit()))
        with leadership(url, ROLE) as leader:
            assert leader is not None
            relay = Relay(Publisher(settings))
            relayed = timed(lambda: relay.drain(leader, threading.Event()))
        ingested = timed(lambda: drain(settings))
        copied = timed_copy(owner)
    return {"outbox": written, "relay": relayed, "ingest": ingested, "copy": copied}


def timed_copy(owner: psycopg.Connection[Any]) -> float:
    """Rate of plain COPY of all rows of raw.events into raw.events."""
    with owner.cursor() as cursor:
        with cursor.copy("copy raw.events to stdout (format binary)") as copy:
            rows = b"".join(bytes(block) for block in copy)
        cursor.execute("truncate raw.events")

        def plain_copy() -> None:
            with cursor.copy("copy raw.events from stdin (format binary)") as copy:
                copy.write(rows)

        rate = timed(plain_copy)
        cursor.execute("select count(*) from raw.events")
        assert cursor.fetchone() == (EVENTS,)
    return rate


def main() -> None:
    """Run the rounds, print the figures."""
    with ExitStack() as stack:
        database = stack.enter_context(throwaway_postgres())
        broker = stack.enter_context(throwaway_kafka())
        settings = Settings(database_url=database.url, kafka_brokers=broker.url)
        upgrade(database.url)
        create_topics(settings)
        tenants = [new_id() for _ in range(3)]
        with psycopg.connect(database.url) as connection:
            for tenant in tenants:
                connection.execute("insert into customers (id, name) values (%s, 'benchmark')", (tenant,))
        rounds = [one_round(settings, tenants) for _ in range(ROUNDS)]
    reference = statistics.median(one["copy"] for one in rounds)
    for name in ("outbox", "relay", "ingest"):
        ratio = statistics.median(one[name] / one["copy"] for one in rounds)
        value = statistics.median(one[name] for one in rounds)
        line = {"name": f"{name}_events_per_second", "value": round(value), "reference": round(reference)}
        sys.stdout.write(json.dumps(line | {"ratio": round(ratio, 3)}) + "\n")


if __name__ == "__main__":
    main()
