"""Spreading a tenant by entity: no entity's events are turned round, whoever dies when, and nobody waits in vain."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import psycopg
import pytest
from confluent_kafka import TopicPartition

from bevyly.events.bus import Publisher, make_consumer
from bevyly.events.catalogue import topics
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.intake import GROUP as INGEST
from pipelines.intake.offsets import Partition
from pipelines.streams import spreads as under_test
from pipelines.streams.relay import Relay
from pipelines.streams.spreads import Shares, Spreads
from tests.support.event_streams import call, count, fill_outbox, leading, relay_dies, relay_process
from tests.support.spreads import (
    DOMAIN,
    PARTITIONS,
    Clock,
    Publication,
    entity_elsewhere,
    execute,
    home,
    members,
    request,
    sequences,
)

EVERY = set(range(PARTITIONS))
OUTBOX = "select count(*) from outbox"
ACTIVE = "select count(*) from tenant_spreads where active_since is not null"
HELD = "select count(*) from tenant_spreads where barrier is not null and active_since is null"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Only the ingest consumes."""
    execute(settings, "delete from raw.consumer_offsets where consumer_group <> %s", INGEST)
    return settings


@pytest.fixture
def tenant(tenants: list[str]) -> str:
    """The one that is spread."""
    return tenants[0]


@pytest.fixture
def leader(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    """Of the relay."""
    with leading(settings) as connection:
        yield connection


@pytest.mark.parametrize("barrier", [True, False])
def test_the_barrier_keeps_the_order_and_without_it_the_order_breaks(
    settings: Settings, tenant: str, leader: psycopg.Connection[Any], barrier: bool
) -> None:
    """A slow process has the tenant's old partition, a quick one all others."""
    log: list[Event] = []
    publication, entity = Publication(settings, leader), entity_elsewhere(tenant)
    with members(settings, log, {home(tenant)}, EVERY - {home(tenant)}) as (slow, quick):
        fill_outbox(settings, [call(tenant, entity, 1)])
        assert publication.step() == 1
        quiet(settings, timedelta())
        request(settings, tenant)
        if not barrier:
            execute(settings, "update tenant_spreads set active_since = now()")
        fill_outbox(settings, [call(tenant, entity, 2)])
        publication.step()
        assert publication.step() == 0
        assert count(settings, OUTBOX) == (1 if barrier else 0)
        until(lambda: quick.apply() == 1, tries=1 if barrier else 100)
        until(lambda: slow.apply() == 1)
        until(lambda: publication.step() == 1, tries=5 if barrier else 1)
        until(lambda: quick.apply() == 1, tries=100 if barrier else 1)
    assert sequences(log) == {f"opportunity/{entity}": [1, 2] if barrier else [2, 1]}


def until(condition: Callable[[], object], *, tries: int = 200) -> bool:
    """Whether it comes to pass within so many tries."""
    return any(condition() for _ in range(tries))


class Died(Exception):
    """The relay, at a failpoint."""


@pytest.mark.parametrize("seed", range(6))
def test_any_schedule_with_any_crash_keeps_the_order(
    settings: Settings,
    tenants: list[str],
    leader: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    chance, written = random.Random(seed), 0
    log: list[Event] = []
    entities = [(tenant, new_id()) for tenant in tenants for _ in range(8)]
    versions: dict[str, int] = defaultdict(int)
    request(settings, tenants[0])

    def maybe_die(_name: str) -> None:
        if chance.random() < 0.4:
            raise Died

    monkeypatch.setattr(under_test, "failpoint", maybe_die)
    publication = Publication(settings, leader, batch=5)

    def write() -> None:
        nonlocal written
        events = []
        for tenant, entity in chance.choices(entities, k=chance.randrange(1, 12)):
            versions[entity] += 1
            events.append(call(tenant, entity, versions[entity]))
        written += fill_outbox(settings, events)

    def publish() -> None:
        nonlocal publication
        try:
            publication.step()
        except Died:
            publication = Publication(settings, leader, batch=5)

    with members(settings, log, {0, 2, 4}, {1, 3, 5}) as (one, other):
        steps = [write, publish, publish, partial(one.apply, 4), partial(other.apply, 4)]
        for _ in range(60):
            chance.choice(steps)()
        write()
        until(lambda: [step() for step in steps[1:]] and len(log) == written, tries=400)

    assert len(log) == written
    assert all(found == list(range(1, len(found) + 1)) for found in sequences(log).values())
    assert count(settings, ACTIVE) == 1
    fill_outbox(settings, [call(tenants[0], entity, 99) for tenant, entity in entities if tenant == tenants[0]])
    while publication.step():
        pass
    assert len(_keys(settings, tenants[0])) > 1, "keyed by entity in the end"
    assert _keys(settings, tenants[1]) == {tenants[1]}


def _keys(settings: Settings, tenant: str) -> set[str]:
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        rows = connection.execute("select distinct key from event_journal where customer_id = %s", (tenant,))
        return {key for (key,) in rows}


def test_only_that_tenant_waits(settings: Settings, tenants: list[str], leader: psycopg.Connection[Any]) -> None:
    publication = Publication(settings, leader)
    fill_outbox(settings, [call(tenants[0], new_id())])
    publication.step()
    execute(settings, "update raw.consumer_offsets set updated_at = now()")
    request(settings, tenants[0])
    fill_outbox(settings, [call(tenant, new_id()) for tenant in tenants])
    publication.step()
    assert count(settings, HELD) == 1
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        assert connection.execute("select customer_id from outbox").fetchall() == [(tenants[0],)]


@pytest.fixture
def behind(settings: Settings, tenant: str, leader: psycopg.Connection[Any]) -> Publication:
    """The ingest has not taken effect of an event, and a spread is asked for."""
    publication = Publication(settings, leader)
    fill_outbox(settings, [call(tenant, new_id())])
    publication.step()
    request(settings, tenant)
    return publication


def quiet(settings: Settings, since: timedelta) -> None:
    execute(settings, "update raw.consumer_offsets set updated_at = now() - %s", since)


def test_nobody_waits_for_a_consumer_that_stands_still(settings: Settings, tenant: str, behind: Publication) -> None:
    quiet(settings, timedelta(minutes=1))
    fill_outbox(settings, [call(tenant, new_id())])
    assert behind.step() == 1
    assert count(settings, HELD) == 0


def test_the_wait_ends_when_a_consumer_stops_moving(settings: Settings, tenant: str, behind: Publication) -> None:
    quiet(settings, timedelta())
    behind.step()
    assert count(settings, HELD) == 1
    quiet(settings, timedelta(minutes=1))
    fill_outbox(settings, [call(tenant, new_id())])
    assert behind.step() + behind.step() == 1
    assert _keys(settings, tenant) == {tenant}, "published under the old key"
    quiet(settings, timedelta())
    assert until(lambda: behind.step() + count(settings, HELD) == 1), "tried again later"


def test_the_ingest_counts_before_it_first_ran(settings: Settings, tenant: str, behind: Publication) -> None:
    execute(settings, "delete from raw.consumer_offsets")
    behind.step()
    assert count(settings, HELD) + count(settings, ACTIVE) == 0


def at_the_end(settings: Settings, group: str = INGEST) -> None:
    with closing(make_consumer(settings, group="x")) as consumer:
        ends = [
            (group, name, number, consumer.get_watermark_offsets(TopicPartition(name, number), timeout=5)[1])
            for name in topics()
            for number in range(PARTITIONS)
        ]
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        connection.cursor().executemany(
            "insert into raw.consumer_offsets values (%s, %s, %s, %s, now())"
            " on conflict (consumer_group, topic, partition) do update set next_offset = excluded.next_offset",
            ends,
        )


class Dead(NamedTuple):
    """A group that took no effect: how long ago it moved, whether messages wait for it for more than a day."""

    silent: timedelta
    late: bool
    given_up: bool


@pytest.mark.parametrize(
    "dead",
    [
        pytest.param(Dead(timedelta(days=2), late=True, given_up=True), id="given up"),
        pytest.param(Dead(timedelta(days=2), late=False, given_up=False), id="idle until now"),
        pytest.param(Dead(timedelta(hours=1), late=True, given_up=False), id="late, but alive"),
    ],
)
def test_a_dead_group_is_given_up(
    settings: Settings, tenant: str, behind: Publication, monkeypatch: pytest.MonkeyPatch, dead: Dead
) -> None:
    at_the_end(settings)
    statement = "insert into raw.consumer_offsets values ('dead', %s, %s, 0, now() - %s)"
    execute(settings, statement, DOMAIN, home(tenant), dead.silent)
    real = under_test._log_ends

    def ends(*given: Any) -> tuple[dict[Partition, int], dict[Partition, int]]:
        now, _ = real(*given)
        return now, dict.fromkeys(now, int(dead.late))

    monkeypatch.setattr(under_test, "_log_ends", ends)
    until(lambda: behind.step() + count(settings, ACTIVE) == 1, tries=5)
    assert count(settings, ACTIVE) == dead.given_up


def test_what_was_there_a_day_ago_is_asked_of_kafka(settings: Settings, tenant: str, behind: Publication) -> None:
    ends, day_ago = under_test._log_ends(settings, tenant)
    key = Partition(DOMAIN, home(tenant))
    assert ends.keys() == day_ago.keys()
    assert {key.topic for key in ends} == set(topics())
    assert ends[key] > day_ago[key] == 0


def test_a_large_tenant_is_spread_by_itself(
    settings: Settings, tenants: list[str], leader: psycopg.Connection[Any]
) -> None:
    spreads = Spreads(settings, least_events=100, clock=Clock())
    relay = Relay(Publisher(settings), on_published=spreads.note)
    fill_outbox(settings, [call(tenants[0], new_id()) for _ in range(105)])
    fill_outbox(settings, [call(tenants[1], new_id()) for _ in range(45)])
    relay.publish_batch(leader)
    at_the_end(settings)
    until(lambda: bool(spreads.step(leader) or spreads.active), tries=5)
    assert spreads.active == [tenants[0]]


def test_a_request_is_made_once_and_only_for_a_tenant(settings: Settings, tenant: str) -> None:
    assert request(settings, tenant)
    assert not request(settings, tenant)
    assert not request(settings, new_id())


def test_shares_fade() -> None:
    now = 0.0
    shares = Shares(half_life=10.0, clock=lambda: now)
    shares.note(Counter(large=60, small=40))
    assert shares.above(0.5, least=100) == ["large"]
    assert shares.above(0.6, least=100) == [], "not more than its share"
    assert shares.above(0.5, least=101) == []
    now = 10.0
    assert shares.above(0.5, least=51) == [], "half of it faded"
    assert shares.above(0.5, least=50) == ["large"]
    now = 1_000.0
    assert shares.above(0.0, least=0) == [], "nothing is kept of who was quiet for long"


@pytest.mark.parametrize("point", ["spread_requested", "spread_barrier", "spread_active"])
def test_a_relay_killed_in_the_switch_is_followed_by_one_that_finishes_it(
    settings: Settings, tenant: str, point: str
) -> None:
    log: list[Event] = []
    entities = [entity_elsewhere(tenant) for _ in range(5)]
    with consuming(settings, log, {home(tenant)}, EVERY - {home(tenant)}):
        fill_outbox(settings, [call(tenant, entity, 1) for entity in entities])
        request(settings, tenant)
        assert relay_dies(settings, point)
        fill_outbox(settings, [call(tenant, entity, 2) for entity in entities])
        assert finished(settings)
        breath = threading.Event()
        until(lambda: breath.wait(0.05) or len(log) >= 10)
    assert count(settings, ACTIVE) == 1
    assert set(map(tuple, sequences(log).values())) == {(1, 2)}


@contextmanager
def consuming(settings: Settings, log: list[Event], *partitions: set[int]) -> Iterator[None]:
    """Two processes that take effect as fast as they can."""
    stop = threading.Event()
    with members(settings, log, *partitions) as group:

        def consume() -> None:
            while not stop.is_set():
                for member in group:
                    member.apply()

        thread = threading.Thread(target=consume)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)


def finished(settings: Settings) -> bool:
    """Whether a relay that runs as a process of its own finishes the switch and publishes everything."""
    with relay_process(settings) as process:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if count(settings, ACTIVE) and not count(settings, OUTBOX):
                return True
    return False
