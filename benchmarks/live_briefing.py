"""`python -m benchmarks.live_briefing`: from a commit in PostgreSQL to the stored briefing that shows it.

Somebody calls about a deal that the briefing says to call about: the recommendation is done, and the briefings of the
deal's owner and of whoever sees all are made anew. Commits go through the outbox; relay and briefing keeper are
processes of their own, on servers of this run's own that do flush to disk. The clock starts when the commit is sent
and stops when a listener is told of a committed version whose items do not name the recommendation. One tenant, at
several sizes: the cost must not grow with it. Prints one JSON line a size, in milliseconds.
"""

import json
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from typing import Annotated
from uuid import UUID

import psycopg
import typer

from benchmarks.processes import running
from bevyly.clock import SystemClock
from bevyly.db.migrate import upgrade
from bevyly.events.envelope import Event, new_event
from bevyly.events.outbox import copy_to_outbox
from bevyly.events.topics import create_topics
from bevyly.ids import new_id
from bevyly.runtime.kafka import EmbeddedKafka
from bevyly.runtime.ports import free_port
from bevyly.runtime.postgres import throwaway_postgres
from bevyly.settings import Settings

PROCESSES = ("pipelines.streams.relay", "pipelines.streams.briefing_keeper")
WARM_UP = 20
SETTLE_SECONDS = 30.0
# Both are told of at the end of the one transaction that ends the recommendation and publishes what shows it no more.
_TELL = """
create function tell() returns trigger language plpgsql as
$$ begin perform pg_notify('published', new.version::text || ' ' || new.user_id); return null; end $$;
create trigger tell after insert on briefings for each row execute function tell();
create function ended() returns trigger language plpgsql as
$$ begin perform pg_notify('ended', new.entity_id); return null; end $$;
create trigger ended after update on recommendations for each row execute function ended()
"""
_NAME = """
create function name(kind text, n bigint) returns text language sql immutable as
'select md5($1 || $2)::uuid::text'
"""
_SEED = """
create temporary table n as
select n, name('a', n) as account, name('o', n) as deal, name('u', n %% %(m)s) as owner
from generate_series(1, %(n)s) n;
insert into accounts (customer_id, id, name) select %(t)s, account, 'Company ' || n from n;
insert into opportunities
  (customer_id, id, account_id, name, stage, value, currency, expected_close_date, stage_entered_at, owner_id)
select %(t)s, deal, account, 'Deal ' || n, 'proposal', 1000 + n, 'EUR', current_date, now(), owner from n;
insert into leads (customer_id, id, company_name, status, owner_id)
select %(t)s, name('l', n), 'Lead ' || n, 'working', owner from n;
insert into signals (customer_id, id, entity_type, entity_id, signal_type, polarity, severity, strength, title, data,
  evidence, dedupe_key, detector_version, found_by, first_seen_at, last_seen_at)
select %(t)s, name(kind, n), 'opportunity', deal, kind, polarity, 'high', 1 + n %% 9, kind, '{}', '[]', kind || n, '1',
  'batch', now(), now()
from n, (values ('deal_stalled', '-', 3), ('high_intent_action', '+', 10)) as k (kind, polarity, nth)
where n %% nth = 0;
insert into recommendations (customer_id, id, owner_id, entity_type, entity_id, action_type, payload, priority, title,
  rationale, reasons, evidence, urgency, expected_value_minor, expected_value_low_minor, expected_value_high_minor,
  currency, basis, rank, expires_at, dedupe_key, as_of)
select %(t)s, name('r', n), owner, 'opportunity', deal, 'call', '{"baseline": {"calls_total": 0}}', 'high',
  'Call about deal ' || n, 'Because.', '[]', '[]', 1, 100, 10, 200, 'EUR', 'prior', n, now() + interval '9 days',
  'call:' || n, now() - interval '1 hour'
from n where n %% 3 = 0;
insert into rankings (customer_id, as_of, published_at) values (%(t)s, now(), now());
drop table n
"""


@dataclass
class Tenant:
    """A tenant with `size` accounts, deals and leads, and a call to make about every third deal."""

    customer_id: str
    size: int
    calls: list[str]


def seed(settings: Settings, size: int, *, each: int) -> Tenant:
    """A tenant of `size` accounts, of which a member owns `each`.

    Everything is analyzed and vacuumed, as it is in a database that has been up.
    """
    customer_id, members = new_id(), size // each
    with psycopg.connect(settings.require_database(), autocommit=True) as connection:
        connection.execute("insert into customers (id, name) values (%s, 'benchmark')", [customer_id])
        people = [(named("u", number), "member") for number in range(members)] + [(new_id(), "owner")]
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into users (customer_id, id, email, role) values (%s, %s, %s, %s)",
                [(customer_id, user, f"{user}@{customer_id}.example", role) for user, role in people],
            )
        for statement in _SEED.split(";\n"):
            connection.execute(statement.encode(), {"t": customer_id, "n": size, "m": members})
        connection.execute("vacuum analyze")
    calls = [named("o", number) for number in range(3, size + 1, 3)]
    random.Random(size).shuffle(calls)
    return Tenant(customer_id, size, calls)


def named(kind: str, number: int) -> str:
    """The id that `_SEED` gives to the `number`-th of a kind."""
    return str(UUID(md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest()))


def called(tenant: Tenant, deal: str) -> Event:
    """Somebody has called about a deal."""
    activity = new_id()
    data = {"activity_id": activity, "kind": "call", "direction": "outbound", "opportunity_id": deal}
    return new_event(
        "call.completed", tenant_id=tenant.customer_id, subject=("activity", activity), sequence=1, data=data,
        clock=SystemClock(),
    )  # fmt: skip


def write(settings: Settings, tenant: Tenant, deals: list[str], rate: float) -> dict[str, int]:
    """Commit a call about each of `deals`, `rate` a second; when each was sent."""
    sent = {}
    began = time.monotonic()
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        for number, deal in enumerate(deals):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            copy_to_outbox(connection, [called(tenant, deal)])
            sent[deal] = time.monotonic_ns()
            connection.commit()
    return sent


class Watch:
    """Notes when a transaction that ended recommendations and published briefings was told of."""

    def __init__(self, settings: Settings) -> None:
        self.ended: dict[str, int] = {}
        self.published = 0
        self._settings, self._stop = settings, threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _listen(self) -> None:
        with psycopg.connect(self._settings.require_database(), autocommit=True) as connection:
            connection.execute("listen ended")
            connection.execute("listen published")
            while not self._stop.is_set():
                for told in connection.notifies(timeout=0.1, stop_after=1):
                    if told.channel == "ended":
                        self.ended.setdefault(told.payload, time.monotonic_ns())
                    else:
                        self.published += 1

    def wait(self, deals: list[str]) -> None:
        """Return when the calls about all `deals` were told of; raises `TimeoutError`."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not set(deals) <= self.ended.keys():
            if time.monotonic() > deadline:
                raise TimeoutError(len(set(deals) - self.ended.keys()))
            time.sleep(0.05)


def measure(settings: Settings, tenant: Tenant, *, rate: float, seconds: float) -> dict[str, float]:
    """One line: milliseconds from commit to stored briefing, and how many versions were written."""
    wanted = WARM_UP + int(rate * seconds)
    warm, deals = tenant.calls[:WARM_UP], tenant.calls[WARM_UP:wanted]
    with Watch(settings) as watch:
        watch.wait([*write(settings, tenant, warm, rate)])
        before = watch.published
        sent = write(settings, tenant, deals, rate)
        watch.wait(deals)
        _shown_by_none(settings, tenant, deals)
        delays = [(watch.ended[deal] - at) / 1e6 for deal, at in sent.items()]
        cuts = statistics.quantiles(delays, n=100, method="inclusive")
        figures = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(delays)}
        return {
            "accounts": tenant.size,
            **{name: round(value, 1) for name, value in figures.items()},
            "events": len(delays),
            "versions": watch.published - before,
        }


def _shown_by_none(settings: Settings, tenant: Tenant, deals: list[str]) -> None:
    """What was called about is in no latest briefing: what was measured is what people read."""
    with psycopg.connect(settings.require_database()) as connection:
        documents = connection.execute(
            "select distinct on (user_id) document from briefings where customer_id = %s"
            " order by user_id, version desc",
            [tenant.customer_id],
        ).fetchall()
    shown = {item["entity"]["id"] for (document,) in documents for item in json.loads(document)["items"]}
    if shown & set(deals) or not shown:
        raise AssertionError(sorted(shown & set(deals)))


def main(
    rate: Annotated[float, typer.Option(help="Events a second.")] = 50.0,
    seconds: Annotated[float, typer.Option(help="How long to measure at each size.")] = 15.0,
    each: Annotated[int, typer.Option(help="Accounts, deals and leads that a member owns.")] = 500,
    accounts: Annotated[list[int], typer.Option(help="Sizes of the tenant.")] = [3_000, 10_000, 100_000],  # noqa: B006  # typer reads it, nobody changes it
) -> None:
    """Start everything, write at a steady rate to a tenant of each size, print the figures."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bevyly-live-briefing-")))
        database = stack.enter_context(throwaway_postgres(durable=True))
        broker = stack.enter_context(EmbeddedKafka(folder / "kafka", free_port()))
        settings = Settings(database_url=database.url, kafka_brokers=broker.url)
        upgrade(database.url)
        create_topics(settings)
        with psycopg.connect(database.url) as connection:
            connection.execute(_TELL)
            connection.execute(_NAME)
        stack.enter_context(running(settings, PROCESSES))
        for size in accounts:
            line = measure(settings, seed(settings, size, each=each), rate=rate, seconds=seconds)
            sys.stdout.write(json.dumps(line | {"at": datetime.now(UTC).isoformat(timespec="seconds")}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
