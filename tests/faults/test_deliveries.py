"""Deliveries that repeat and come in another order: the state is that of a single delivery."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from threading import Event as Flag
from threading import Thread
from typing import Any

import psycopg
import pytest

from bevyly.clock import FixedClock
from bevyly.events.bus import Publisher
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.runtime.waiting import wait_until
from bevyly.settings import Settings
from pipelines.intake import drain
from pipelines.intake.lag import total_lag
from pipelines.streams import signal_detector
from tests.faults.conftest import BROKERS
from tests.support.databases import Database, named
from tests.support.event_streams import count, out_of_order
from tests.support.faults_writer import BEGINNING, World, make_event

pytestmark = pytest.mark.faults

TOPIC = "bevyly.domain"
VERSIONS = 40
TIMES = 3
_RAW = """
select customer_id, event_id, type, schema_version, subject_type, subject_id, sequence, occurred_at, recorded_at,
  data::text, source
from raw.events
"""
_SIGNALS = """
select customer_id, dedupe_key, severity, strength, title, data::text, evidence::text, first_seen_at, last_seen_at,
  expires_at, closed_at, close_reason
from signals
"""


def _shuffled(events: Sequence[Event], chance: random.Random) -> Iterator[Event]:
    """Each event `TIMES` times. Repeats come later, anywhere; entities mix, and each keeps its order of first times."""
    deliveries: dict[str, list[tuple[float, Event]]] = defaultdict(list)
    for event in events:
        deliveries[event.subject].append((event.sequence, event))
        for _ in range(TIMES - 1):
            deliveries[event.subject].append((event.sequence + chance.expovariate(1 / 10), event))
    queues = [sorted(queue, key=lambda one: one[0], reverse=True) for queue in deliveries.values()]
    while queues:
        queue = chance.choice(queues)
        yield queue.pop()[1]
        if not queue:
            queues.remove(queue)


def _publish(settings: Settings, events: Sequence[Event]) -> None:
    publisher = Publisher(settings)
    for event in events:
        publisher.send(TOPIC, key=event.tenant_id, value=event.to_json())
    publisher.flush()


def _consume(settings: Settings) -> None:
    """Ingest and signal detector, until both have applied everything."""
    stop = Flag()
    stream = signal_detector.make_stream(settings, FixedClock(BEGINNING))
    thread = Thread(target=stream.run, args=(stop,))
    thread.start()
    try:
        drain(settings)
        assert wait_until(lambda: total_lag(settings, group=signal_detector.NAME) == 0, seconds=60, poll=0.2)
    finally:
        stop.set()
        thread.join()


def _state(settings: Settings, query: str) -> set[tuple[Any, ...]]:
    with psycopg.connect(settings.require_database()) as connection:
        return set(connection.execute(query).fetchall())


@pytest.fixture
def twin(database: Database, settings: Settings) -> Iterator[Callable[[], Settings]]:
    """Makes a copy of the database as it is, for a second run."""
    name = f"twin_{new_id()[-12:]}"
    admin, own = named(database.owner_url, "postgres"), database.owner_url.rpartition("/")[2]

    def copy() -> Settings:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"create database {name} template {own}")
            connection.execute(f"grant create, temporary on database {name} to bevyly_pipeline")
        return settings.model_copy(update={"database_url": named(database.owner_url, name)})

    yield copy
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")


@pytest.mark.parametrize("broker", BROKERS, indirect=True)
def test_three_deliveries_of_everything_leave_the_state_of_one(
    database: Database, settings: Settings, twin: Callable[[], Settings], seed: random.Random
) -> None:
    world = World.create(database, tenants=3, entities=15)
    events = [
        make_event(tenant, entity, version, seed)
        for version in range(1, VERSIONS + 1)
        for tenant, entities in world.entities.items()
        for entity in entities
    ]
    other = twin()
    _publish(settings, events)
    _consume(settings)
    once = {query: _state(settings, query) for query in (_RAW, _SIGNALS)}
    assert len(once[_RAW]) == len(events)
    assert once[_SIGNALS]

    # the twin begins where the first run ended
    with psycopg.connect(settings.require_database()) as source, psycopg.connect(other.require_database()) as target:
        rows = source.execute("select * from raw.consumer_offsets").fetchall()
        target.cursor().executemany("insert into raw.consumer_offsets values (%s, %s, %s, %s, %s)", rows)
    deliveries = list(_shuffled(events, seed))
    assert len(deliveries) == TIMES * len(events)
    _publish(settings, deliveries)
    _consume(other)

    assert {query: _state(other, query) for query in (_RAW, _SIGNALS)} == once
    assert count(other) == len(events)
    assert out_of_order(other) == 0
