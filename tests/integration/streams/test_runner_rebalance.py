"""Rebalances: partitions come and go, processes hang and die, old ones meet new ones; effects stay exactly once."""

import random
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.intake.offsets import Partition, move
from pipelines.streams.assignment import Assignment
from tests.support.databases import Database
from tests.support.event_streams import call, count, fill_outbox, histories, relay_all
from tests.support.stream_runs import (
    DISTINCT_EFFECTS,
    EFFECTS,
    NAME,
    TOPIC,
    applied,
    at_work,
    effect_order,
    make_effects,
    make_stream,
    record,
    running,
    until,
)

QUICK = {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 200}
ROUNDS, EVENTS = 20, 60


@pytest.fixture(autouse=True)
def effects(settings: Settings) -> None:
    make_effects(settings.require_pipeline_database())


class Storm:
    """Four places for consumers, each started and stopped by chance while events arrive; now and then a consumer
    loses its connection with effects in hand."""

    def __init__(self, settings: Settings, chance: random.Random) -> None:
        self._settings = settings
        self._chance = chance
        self._places: dict[int, ExitStack] = {}

    def handler(self, connection: psycopg.Connection[Any], events: Sequence[Event]) -> None:
        record(connection, events)
        if self._chance.random() < 0.1:
            connection.execute("select pg_terminate_backend(pg_backend_pid())")

    def toggle(self) -> None:
        place = self._chance.randrange(4)
        if place in self._places:
            self._places.pop(place).close()
        else:
            self._places[place] = stack = ExitStack()
            stack.enter_context(at_work(make_stream(self._settings, self.handler, batch=20, **QUICK)))

    def run(self, batches: Sequence[Sequence[Event]]) -> None:
        try:
            for batch in batches:
                self.toggle()
                fill_outbox(self._settings, batch)
                relay_all(self._settings)
            if not self._places:
                self.toggle()
            until(applied(self._settings), seconds=120)
        finally:
            for place in self._places.values():
                place.close()


@pytest.fixture
def crowd(database: Database) -> list[str]:
    """Tenants enough for every partition."""
    return [database.add_tenant(f"tenant {number}") for number in range(8)]


def storm(settings: Settings, crowd: list[str]) -> int:
    seed = random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    events = list(histories(crowd, entities=2, events=ROUNDS * EVENTS))
    Storm(settings, random.Random(seed)).run([events[n : n + EVENTS] for n in range(0, len(events), EVENTS)])
    return len(events)


def test_a_storm_of_rebalances_loses_and_doubles_nothing(settings: Settings, crowd: list[str]) -> None:
    sent = storm(settings, crowd)
    assert count(settings, EFFECTS) == count(settings, DISTINCT_EFFECTS) == sent
    orders = effect_order(settings.require_database())
    assert len(orders) == 16
    assert all(order == list(range(1, sent // 16 + 1)) for order in orders.values())


def test_offsets_apart_from_their_effect_would_lose_events(
    settings: Settings, crowd: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: the same storm, with the offset moved in a transaction of its own."""

    def apart(_connection: object, group: str, moves: Mapping[Partition, tuple[int, int]]) -> None:
        with psycopg.connect(settings.require_pipeline_database(), autocommit=True) as other:
            move(other, group, moves)

    monkeypatch.setattr("pipelines.streams.application.move", apart)
    assert count(settings, DISTINCT_EFFECTS) < storm(settings, crowd)


def test_a_process_that_hangs_is_replaced_and_finds_itself_overtaken_or_done(
    settings: Settings, tenants: list[str]
) -> None:
    """It is out of the group when it wakes up; its transaction held the offsets, so its successor waited for it."""
    hanging, wake = threading.Event(), threading.Event()

    def hangs(connection: psycopg.Connection[Any], events: Sequence[Event]) -> None:
        record(connection, events)
        if not hanging.is_set():
            hanging.set()
            assert wake.wait(60)

    options = QUICK | {"max.poll.interval.ms": 6_000}
    fill_outbox(settings, histories(tenants, entities=2, events=40))
    relay_all(settings)
    with running(settings, hangs, **options):
        assert hanging.wait(30)
        with running(settings, record, **options):
            until(lambda: _waits_for_offsets(settings))
            wake.set()
            until(applied(settings))
    assert count(settings, EFFECTS) == count(settings, DISTINCT_EFFECTS) == 40
    assert all(order == list(range(1, 11)) for order in effect_order(settings.require_database()).values())


def _waits_for_offsets(settings: Settings) -> bool:
    return bool(
        count(
            settings,
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%consumer_offsets%'",
        )
    )


def test_a_newcomer_takes_some_partitions_and_leaves_the_others_where_they_are(
    settings: Settings, crowd: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    remove = Assignment._remove

    def counted(self: Assignment, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        taken.append(len(partitions))
        remove(self, consumer, partitions)

    monkeypatch.setattr(Assignment, "_remove", counted)
    fill_outbox(settings, [call(tenant, new_id()) for tenant in crowd])
    relay_all(settings)
    with running(settings, record, **QUICK):
        until(applied(settings))
        with running(settings, record, **QUICK):
            until(lambda: bool(taken))
            fill_outbox(settings, [call(tenant, new_id()) for tenant in crowd])
            relay_all(settings)
            until(applied(settings))
            assert taken == [3]
    assert count(settings, EFFECTS) == count(settings, DISTINCT_EFFECTS) == 16


def test_a_newcomer_waits_for_the_last_process_of_the_eager_kind(settings: Settings, tenants: list[str]) -> None:
    """A group changes its way of assigning only when it is empty: stop the old ones first; a newcomer retries."""
    old = Consumer(
        {
            "bootstrap.servers": settings.require_kafka(),
            "group.id": f"bevyly-{NAME}",
            "partition.assignment.strategy": "range",
            "enable.auto.commit": False,
        }
    )
    old.subscribe([TOPIC])
    until(lambda: old.poll(0.1) is not None or bool(old.assignment()))
    fill_outbox(settings, histories(tenants, entities=2, events=10))
    relay_all(settings)
    with running(settings, record, **QUICK):
        for _ in range(20):
            old.poll(0.1)
        assert count(settings, EFFECTS) == 0
        old.close()
        until(applied(settings))
    assert count(settings, EFFECTS) == 10
