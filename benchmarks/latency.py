"""`python -m benchmarks.latency`: from a commit in PostgreSQL to what others see of it, at a steady rate.

Commits are the API's: a unit of work of the app's role that changes a row and emits an event. Relay and signal
detector are processes of their own, on servers of this run's own that do flush to disk. The clock starts when the
writer sends its commit and stops when a plain consumer has read the event from the broker, and when a listener was
told of the committed row in `signals`. Prints one JSON line a figure, in milliseconds, and as reference what two
commits of one row cost on the same disk: the writer's and the detector's.
"""

import asyncio
import json
import multiprocessing
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from confluent_kafka import OFFSET_END, TopicPartition
from sqlalchemy import text

from benchmarks.processes import running
from bevyly.clock import SystemClock
from bevyly.db.engine import make_async_engine
from bevyly.db.migrate import upgrade
from bevyly.db.unit_of_work import UnitOfWork, unit_of_work, with_nudge
from bevyly.events.bus import make_consumer, partitions_of
from bevyly.events.envelope import Event, new_event
from bevyly.events.topics import create_topics
from bevyly.events.wakeup import Nudger
from bevyly.ids import new_id
from bevyly.runtime.kafka import EmbeddedKafka
from bevyly.runtime.ports import free_port
from bevyly.runtime.postgres import throwaway_postgres
from bevyly.settings import Settings

Times = dict[str, int]
Deal = tuple[str, str]

TENANTS, DEALS = 20, 400
WARM_UP_SECONDS = 3.0
SETTLE_SECONDS = 30.0
COMMITS = 200
PROCESSES = ("pipelines.streams.relay", "pipelines.streams.signal_detector")

_CHANGE = text(
    "update opportunities set version = version + 1, updated_at = now()"
    " where customer_id = :customer_id and id = :id returning version"
)
_TELL = """
create function tell() returns trigger language plpgsql as
$$ begin perform pg_notify('seen', new.evidence ->> 0); return null; end $$;
create trigger tell after insert on signals for each row execute function tell()
"""


def seed(settings: Settings) -> list[Deal]:
    """Open deals of several tenants."""
    deals = []
    with psycopg.connect(settings.require_database()) as connection:
        connection.execute(_TELL)
        for tenant in (new_id() for _ in range(TENANTS)):
            connection.execute("insert into customers (id, name) values (%s, 'benchmark')", (tenant,))
            account = new_id()
            connection.execute("insert into accounts (customer_id, id, name) values (%s, %s, 'A')", (tenant, account))
            for deal in (new_id() for _ in range(DEALS // TENANTS)):
                connection.execute(
                    "insert into opportunities (customer_id, id, account_id, name, stage, stage_entered_at)"
                    " values (%s, %s, %s, 'D', 'proposal', now())",
                    (tenant, deal, account),
                )
                deals.append((tenant, deal))
    return deals


def reply(deal: Deal, version: int) -> Event:
    """A customer's answer to an offer: raises a signal by itself."""
    data = {"activity_id": new_id(), "kind": "proposal", "direction": "inbound", "opportunity_id": deal[1]}
    subject = ("opportunity", deal[1])
    clock = SystemClock()
    return new_event("proposal.replied", tenant_id=deal[0], subject=subject, sequence=version, data=data, clock=clock)


def write(settings: Settings, deals: list[Deal], rate: float, seconds: float, answer: Pipe) -> None:
    """A process that commits `rate` events a second; answers with the time at which each was sent."""
    answer.send(asyncio.run(_write(settings, deals, rate, seconds)))


async def _write(settings: Settings, deals: list[Deal], rate: float, seconds: float) -> Times:
    url, committed = settings.require_app_database(), Times()
    nudger = Nudger(url)
    engine = with_nudge(make_async_engine(url, pool_timeout=120), nudger.nudge)

    async def one(deal: Deal) -> None:
        async with unit_of_work(engine, deal[0]) as work:
            event = await _change(work, deal)
            await work.write_outbox()
            committed[event.id] = time.monotonic_ns()

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(began + number / rate - time.monotonic())
            group.create_task(one(deals[number % len(deals)]))
    await nudger.close()
    await engine.dispose()
    return committed


async def _change(work: UnitOfWork, deal: Deal) -> Event:
    version = (await work.session.execute(_CHANGE, {"customer_id": deal[0], "id": deal[1]})).scalar_one()
    event = reply(deal, version)
    work.emit(event)
    return event


def watch_broker(settings: Settings, seen: Times, stop: threading.Event, ready: threading.Event) -> None:
    """Note when each event could be read from Kafka."""
    consumer = make_consumer(settings, group="probe")
    partitions = partitions_of(consumer, ["bevyly.domain"])
    consumer.assign([TopicPartition(one.topic, one.partition, OFFSET_END) for one in partitions])
    consumer.poll(1.0)
    ready.set()
    while not stop.is_set():
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            seen.setdefault(Event.from_json(message.value() or b"").id, time.monotonic_ns())
    consumer.close()


def watch_signals(settings: Settings, seen: Times, stop: threading.Event, ready: threading.Event) -> None:
    """Note when each signal was committed and told of."""
    with psycopg.connect(settings.require_database(), autocommit=True) as connection:
        connection.execute("listen seen")
        ready.set()
        while not stop.is_set():
            for told in connection.notifies(timeout=0.1, stop_after=1):
                seen.setdefault(told.payload, time.monotonic_ns())


@contextmanager
def watched(settings: Settings) -> Iterator[tuple[Times, Times]]:
    """What was seen of each event, on the broker and in `signals`."""
    stop, on_broker, in_signals = threading.Event(), Times(), Times()
    threads = []
    for watch, seen in ((watch_broker, on_broker), (watch_signals, in_signals)):
        ready = threading.Event()
        threads.append(threading.Thread(target=watch, args=(settings, seen, stop, ready)))
        threads[-1].start()
        ready.wait(10)
    try:
        yield on_broker, in_signals
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def committed_by_a_writer(settings: Settings, deals: list[Deal], rate: float, seconds: float) -> Times:
    """What a process of its own wrote."""
    context = multiprocessing.get_context("spawn")
    answer, theirs = context.Pipe(duplex=False)
    process = context.Process(target=write, args=(settings, deals, rate, seconds, theirs))
    process.start()
    theirs.close()
    committed: Times = answer.recv()
    process.join()
    return committed


def wait_for(events: Times, *seen: Times) -> None:
    """Return when all `events` were seen; raises `TimeoutError`."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while any(not events.keys() <= one.keys() for one in seen):
        if time.monotonic() > deadline:
            raise TimeoutError([len(events.keys() - one.keys()) for one in seen])
        time.sleep(0.1)


def two_commits(settings: Settings) -> list[float]:
    """Milliseconds that two commits of one row each take, one after the other."""
    found = []
    with psycopg.connect(settings.require_database(), autocommit=True) as connection:
        connection.execute("create table floor (n int)")
        for _ in range(COMMITS):
            began = time.monotonic_ns()
            connection.execute("insert into floor values (1)")
            connection.execute("insert into floor values (2)")
            found.append((time.monotonic_ns() - began) / 1e6)
    return found


def report(name: str, milliseconds: list[float]) -> None:
    """One line."""
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    figures = {"p50": cuts[49], "p99": cuts[98], "max": max(milliseconds)}
    line = {"name": name, **{key: round(value, 2) for key, value in figures.items()}, "events": len(milliseconds)}
    sys.stdout.write(json.dumps(line) + "\n")


def delays(since: Times, until: Times) -> list[float]:
    """Milliseconds from one to the other, for each event."""
    return [(until[event] - began) / 1e6 for event, began in since.items()]


def main(
    rate: Annotated[float, typer.Option(help="Events a second.")] = 100.0,
    seconds: Annotated[float, typer.Option(help="How long to measure.")] = 30.0,
) -> None:
    """Start everything, write at a steady rate, print the figures."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bevyly-latency-")))
        database = stack.enter_context(throwaway_postgres(durable=True))
        broker = stack.enter_context(EmbeddedKafka(folder / "kafka", free_port()))
        settings = Settings(database_url=database.url, kafka_brokers=broker.url)
        upgrade(database.url)
        create_topics(settings)
        deals = seed(settings)
        floor = two_commits(settings)
        on_broker, in_signals = stack.enter_context(watched(settings))
        stack.enter_context(running(settings, PROCESSES))
        wait_for(committed_by_a_writer(settings, deals, rate, WARM_UP_SECONDS), on_broker, in_signals)
        committed = committed_by_a_writer(settings, deals, rate, seconds)
        wait_for(committed, on_broker, in_signals)
    span = (max(committed.values()) - min(committed.values())) / 1e9
    sys.stdout.write(json.dumps({"name": "commits_per_second", "value": round(len(committed) / span, 1)}) + "\n")
    report("commit_to_broker_ms", delays(committed, on_broker))
    report("commit_to_signal_ms", delays(committed, in_signals))
    report("two_commits_ms", floor)


if __name__ == "__main__":
    typer.run(main)
