"""`python -m benchmarks.incremental_run`: what a refresh costs after a few new events, against computing all again.

Both are whole refreshes (events in, dbt, models where due, scores, signals, recommendations, briefings, export) of the
same simulated tenants, on servers of its own, each in a fresh process as an operator would run it. The reference has an
empty home and a database that holds events only, so that everything is made from them. Prints one JSON line; `ratio` is
what to compare between machines.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bevyly.clock import FixedClock
from bevyly.datasets.load import load_dataset
from bevyly.datasets.synthetic import simulate
from bevyly.datasets.tenants import ensure_tenant, tenant_of
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

TENANTS = 4
MONTHS = 12
NEW_EVENTS = 1_000
ROUNDS = 3
NOW = datetime(2026, 9, 15, 8, tzinfo=UTC)
BETWEEN = timedelta(minutes=10)
_REFRESH = """
import sys
from datetime import datetime
from pipelines.execute import refresh_now
refresh_now(as_of=datetime.fromisoformat(sys.argv[1]), progress=lambda done, total, note="": None)
"""
_OPEN = """
select customer_id, id, account_id, contact_id, owner_id from opportunities
where status = 'open' and contact_id is not null order by id
"""


def say(text: str) -> None:
    """Progress for a person."""
    sys.stderr.write(text + "\n")


def publish(settings: Settings) -> None:
    """What the outbox holds, on Kafka."""
    with leadership(settings.require_pipeline_database(), ROLE) as leader:
        assert leader is not None
        Relay(Publisher(settings)).drain(leader, threading.Event())


def load(settings: Settings) -> int:
    """All tenants through outbox and Kafka; how many events."""
    url, events = settings.require_pipeline_database(), 0
    for number in range(TENANTS):
        name = f"Benchmark {number + 1}"
        customer_id, _ = ensure_tenant(url, name)
        tenant = tenant_of(name, customer_id=customer_id)
        events += load_dataset(url, simulate(tenant, months=MONTHS, seed=1, number=number, until=NOW).dataset).events
    publish(settings)
    return events


def new_events(settings: Settings, at: datetime) -> list[Event]:
    """Answers to e-mails, dealt to open deals of all tenants, half a minute apart at most, all before `at`."""
    with psycopg.connect(settings.require_database()) as connection:
        deals = connection.execute(_OPEN).fetchall()
    return [_answer(deals[n % len(deals)], at - BETWEEN * (n + 1) / (NEW_EVENTS + 1)) for n in range(NEW_EVENTS)]


def _answer(deal: tuple[str, ...], at: datetime) -> Event:
    tenant, opportunity, account, contact, owner = deal
    activity = new_id()
    about = {"opportunity_id": opportunity, "account_id": account, "contact_id": contact, "owner_id": owner}
    data = {"activity_id": activity, "kind": "email", "direction": "inbound", "participants": [], **about}
    subject = ("activity", activity)
    return new_event("email.received", tenant_id=tenant, subject=subject, sequence=1, data=data, clock=FixedClock(at))


def refresh(settings: Settings, home: Path, *, as_of: datetime) -> float:
    """Seconds of one refresh in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"} | {
        "DATABASE_URL": settings.require_database(),
        "KAFKA_BROKERS": settings.require_kafka(),
        "BEVYLY_HOME": str(home),
        "APOLLO_DAILY_CREDITS": "0",
    }
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", _REFRESH, as_of.isoformat()], env=environment, check=True, timeout=1_800)
    return time.perf_counter() - started


def copy_of(settings: Settings, name: str) -> Settings:
    """A database with the same customers and events, taken before anything was made of them."""
    parts = urlsplit(settings.require_database())
    url, server = (urlunsplit(parts._replace(path=f"/{other}")) for other in (name, "postgres"))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name} template {parts.path.lstrip('/')}")
        # rights on a database do not come with a copy of it
        connection.execute(f"grant create, temporary on database {name} to bevyly_pipeline")
    return settings.model_copy(update={"database_url": url})


def measure(stack: ExitStack) -> tuple[list[float], list[float]]:
    """Seconds of incremental refreshes and of the full one."""
    database = stack.enter_context(throwaway_postgres())
    broker = stack.enter_context(throwaway_kafka())
    settings = Settings(database_url=database.url, kafka_brokers=broker.url)
    upgrade(database.url)
    create_topics(settings)
    say(f"{load(settings):,} events of {TENANTS} tenants loaded")
    drain(settings)
    homes = [Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bevyly-"))) for _ in range(2)]
    empty = copy_of(settings, "recomputed")
    say(f"first refresh: {refresh(settings, homes[0], as_of=NOW):.1f} s")
    incremental = []
    for number in range(1, ROUNDS + 1):
        now = NOW + number * BETWEEN
        with psycopg.connect(settings.require_pipeline_database()) as connection:
            copy_to_outbox(connection, new_events(settings, now))
        publish(settings)
        incremental.append(refresh(settings, homes[0], as_of=now))
        say(f"incremental refresh {number}: {incremental[-1]:.1f} s")
    # the copy reads the same events from Kafka, so that both end with the same data
    full = [refresh(empty, homes[1], as_of=NOW + ROUNDS * BETWEEN)]
    say(f"full refresh: {full[-1]:.1f} s")
    return incremental, full


def main() -> None:
    """Measure, print the figure."""
    with ExitStack() as stack:
        incremental, full = measure(stack)
    value, reference = sorted(incremental)[len(incremental) // 2], full[0]
    line = {"name": "incremental_refresh_seconds", "value": round(value, 2), "reference": round(reference, 2)}
    sys.stdout.write(json.dumps(line | {"ratio": round(value / reference, 3)}) + "\n")


if __name__ == "__main__":
    main()
