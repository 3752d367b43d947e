"""A stream whose handler is broken halts, stays up, survives restarts as halted, and goes on when released."""

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.dead_letters.limit import release
from tests.support.event_streams import call, count, fill_outbox, messages, relay_all
from tests.support.stream_runs import (
    DISTINCT_EFFECTS,
    EFFECTS,
    NAME,
    Picky,
    applied,
    at_work,
    make_effects,
    make_stream,
    record,
    until,
)

HALTS = "select count(*) from raw.consumer_halts where released_at is null"
# what a halted stream does, and no other
ASKS_FOR_RELEASE = f"""
select count(*) from pg_stat_activity
where application_name = 'bevyly-{NAME}' and datname = current_database() and query like 'select reason%'
"""
LETTERS = "select count(*) from raw.dead_letters"


@pytest.fixture(autouse=True)
def effects(settings: Settings) -> None:
    make_effects(settings.require_pipeline_database())


def test_a_broken_handler_halts_until_a_person_releases_it(settings: Settings, tenants: list[str]) -> None:
    events = [call(tenants[0], new_id()) for _ in range(40)]
    before = len(messages(settings, "bevyly.domain.dlq"))
    fill_outbox(settings, events)
    relay_all(settings)
    broken = Picky(event.id for event in events)
    with at_work(make_stream(settings, broken)):
        until(lambda: count(settings, HALTS) == 1)
    tries = len(broken.calls)
    # the same code again, and a second process: a restart alone changes nothing
    with at_work(make_stream(settings, broken)), at_work(make_stream(settings, broken)):
        until(lambda: count(settings, HALTS) == 1)
    assert len(broken.calls) == tries
    assert count(settings, EFFECTS) == count(settings, LETTERS) == 0

    with at_work(make_stream(settings, record)), psycopg.connect(settings.require_pipeline_database()) as connection:
        assert release(connection, NAME)
        connection.commit()
        until(applied(settings))
        assert not release(connection, NAME)
    assert count(settings, EFFECTS) == count(settings, DISTINCT_EFFECTS) == 40
    assert len(messages(settings, "bevyly.domain.dlq")) == before


def test_a_halt_stops_every_process_of_the_consumer(settings: Settings, tenants: list[str]) -> None:
    calls: list[int] = []

    def handler(connection: psycopg.Connection[Any], events: Sequence[Event]) -> None:
        calls.append(len(events))
        record(connection, events)

    with at_work(make_stream(settings, handler)):
        fill_outbox(settings, [call(tenants[0], new_id())])
        relay_all(settings)
        until(applied(settings))
        with psycopg.connect(settings.require_pipeline_database()) as connection:
            connection.execute("insert into raw.consumer_halts values (%s, now(), 'another process')", (NAME,))
        fill_outbox(settings, [call(tenants[1], new_id())])
        relay_all(settings)
        until(lambda: count(settings, ASKS_FOR_RELEASE) == 1)
        assert calls == [1]
        with psycopg.connect(settings.require_pipeline_database()) as connection:
            release(connection, NAME)
        until(applied(settings))
    assert count(settings, EFFECTS) == 2
