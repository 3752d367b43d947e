"""`python -m benchmarks.second_process [signal_detector] [waiting]`: what a second process of one stream adds.

On servers of its own. Prints one JSON line a handler: `value` and `reference` are events per second with two
processes and with one (medians of interleaved rounds), `ratio` says how much faster a backlog goes. Counted from the
moment when every process has its partitions. `signal_detector` is the real one: where PostgreSQL, the broker and two
processes share few cores it is bound by them. `waiting` holds each event for a millisecond in PostgreSQL without
using a processor, as a handler that asks a slow service does: what two processes bring where the machine is not the
limit.
"""

import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from multiprocessing.synchronize import Event as Stop
from typing import Any, cast

import msgspec
import psycopg

from bevyly.clock import SystemClock
from bevyly.db.migrate import upgrade
from bevyly.events.bus import Publisher, make_admin, make_consumer, partitions_of, watermarks
from bevyly.events.catalogue import topics
from bevyly.events.envelope import Event, new_event
from bevyly.events.keys import partition_for
from bevyly.events.topics import create_topics
from bevyly.ids import new_id
from bevyly.runtime.kafka import throwaway_kafka
from bevyly.runtime.postgres import throwaway_postgres
from bevyly.settings import Settings
from pipelines.streams.runner import Handler, Stream
from pipelines.streams.signal_detector import SignalDetector

TOPIC = "bevyly.domain"
TENANTS, DEALS = 24, 40
BACKLOG = {"signal_detector": 60_000, "waiting": 12_000}
ROUNDS = 3
WAIT_SECONDS = 0.001


def waiting(connection: psycopg.Connection[Any], events: Sequence[Event]) -> None:
    """A handler that is slow and uses no processor."""
    connection.execute("select pg_sleep(%s)", (WAIT_SECONDS * len(events),))


def work(kind: str, settings: dict[str, Any], stop: Stop) -> None:
    """One process of the stream."""
    handler: Handler = waiting if kind == "waiting" else SignalDetector(SystemClock())
    stream = Stream(kind, topics=[TOPIC], handler=handler, settings=Settings(**settings), batch=100)
    stream.run(cast(Any, stop))


def spread_evenly() -> list[str]:
    """Tenants, as many on each partition: what is measured is the second process, not the luck of the keys."""
    partitions = topics()[TOPIC].partitions
    found: dict[int, list[str]] = {number: [] for number in range(partitions)}
    while sum(map(len, found.values())) < TENANTS:
        tenant = new_id()
        there = found[partition_for(tenant, partitions)]
        if len(there) < TENANTS // partitions:
            there.append(tenant)
    return [tenant for tenants in found.values() for tenant in tenants]


def make_deals(settings: Settings) -> list[tuple[str, str]]:
    """Tenants with open deals: tenant and deal."""
    with psycopg.connect(settings.require_database()) as owner:
        for number, tenant in enumerate(spread_evenly()):
            account = new_id()
            owner.execute("insert into customers (id, name) values (%s, %s)", (tenant, f"tenant {number}"))
            owner.execute("insert into accounts (customer_id, id, name) values (%s, %s, 'A')", (tenant, account))
            owner.execute(
                "insert into opportunities (customer_id, id, account_id, name, stage, status, stage_entered_at) "
                "select %s, gen_random_uuid()::text, %s, 'D', 'proposal', 'open', now() from generate_series(1, %s)",
                (tenant, account, DEALS),
            )
        return owner.execute("select customer_id, id from opportunities order by id").fetchall()


def events(deals: Sequence[tuple[str, str]]) -> Iterator[Event]:
    """Calls, and now and then an answer, on all deals in turn."""
    number = 0
    while True:
        for tenant, deal in deals:
            number += 1
            answered = number % 10 == 0
            yield new_event(
                "proposal.replied" if answered else "call.completed",
                tenant_id=tenant,
                subject=("opportunity", deal),
                sequence=number,
                clock=SystemClock(),
                data={
                    "activity_id": new_id(),
                    "kind": "proposal" if answered else "call",
                    "direction": "inbound" if answered else "outbound",
                    "opportunity_id": deal,
                },
            )


def publish(settings: Settings, deals: Sequence[tuple[str, str]], number: int) -> None:
    """Put `number` events on the topic, keyed as the relay does."""
    publisher = Publisher(settings)
    for event in islice(events(deals), number):
        publisher.send(TOPIC, key=event.tenant_id, value=msgspec.json.encode(event))
    publisher.flush(seconds=60)


def rewind(settings: Settings, kind: str) -> int:
    """Put the group `kind` back by its backlog; the sum of the positions at the end."""
    consumer = make_consumer(settings, group="bench")
    partitions = partitions_of(consumer, [TOPIC])
    ends = [watermarks(consumer, one)[1] for one in partitions]
    consumer.close()
    share = BACKLOG[kind] / sum(ends)
    with psycopg.connect(settings.require_pipeline_database()) as connection, connection.cursor() as cursor:
        cursor.execute("delete from raw.consumer_offsets where consumer_group = %s", (kind,))
        cursor.execute("delete from signals")
        cursor.executemany(
            "insert into raw.consumer_offsets values (%s, %s, %s, %s, now())",
            [(kind, TOPIC, one.partition, end - round(end * share)) for one, end in zip(partitions, ends, strict=True)],
        )
    return sum(ends)


def position(connection: psycopg.Connection[Any], kind: str) -> int:
    """How far the group has come in all partitions."""
    query = "select sum(next_offset)::bigint from raw.consumer_offsets where consumer_group = %s"
    row = connection.execute(query, (kind,)).fetchone()
    assert row is not None
    return int(row[0])


def all_have_partitions(admin: Any, kind: str, processes: int) -> bool:
    """Whether every process has been given its share."""
    group = admin.describe_consumer_groups([f"bevyly-{kind}"], request_timeout=10)[f"bevyly-{kind}"].result(10)
    return sum(bool(member.assignment.topic_partitions) for member in group.members) == processes


def rate(settings: Settings, kind: str, processes: int) -> float:
    """Events per second of `processes` processes, from the moment when all of them have partitions."""
    end = rewind(settings, kind)
    context = multiprocessing.get_context("spawn")
    stop, admin = context.Event(), make_admin(settings)
    values = {"database_url": settings.database_url, "kafka_brokers": settings.kafka_brokers}
    started = [context.Process(target=work, args=(kind, values, stop)) for _ in range(processes)]
    for process in started:
        process.start()
    try:
        with psycopg.connect(settings.require_pipeline_database(), autocommit=True) as connection:
            while not all_have_partitions(admin, kind, processes):
                time.sleep(0.1)
            since, begun = position(connection, kind), time.perf_counter()
            while position(connection, kind) < end:
                time.sleep(0.05)
            return (end - since) / (time.perf_counter() - begun)
    finally:
        stop.set()
        for process in started:
            process.join(30)


def main() -> None:
    """One line of JSON for each handler that is named, or for both."""
    kinds = sys.argv[1:] or list(BACKLOG)
    with ExitStack() as stack:
        postgres, broker = stack.enter_context(throwaway_postgres()), stack.enter_context(throwaway_kafka())
        upgrade(postgres.url)
        settings = Settings(database_url=postgres.url, kafka_brokers=broker.url)
        create_topics(settings)
        publish(settings, make_deals(settings), max(BACKLOG[kind] for kind in kinds))
        for kind in kinds:
            rates: dict[int, list[float]] = {1: [], 2: []}
            for _ in range(ROUNDS):
                for processes, found in rates.items():
                    found.append(rate(settings, kind, processes))
            one, two = statistics.median(rates[1]), statistics.median(rates[2])
            line = {"name": f"second_process.{kind}", "value": round(two), "reference": round(one)}
            print(json.dumps(line | {"ratio": round(two / one, 2), "cores": os.cpu_count()}), flush=True)


if __name__ == "__main__":
    main()
