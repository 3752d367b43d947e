"""The runner: effects exactly once, at once, in order, whatever goes away meanwhile."""

import statistics
import threading
import time
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.settings import Settings
from tests.support.event_streams import call, count, fill_outbox, histories, relay_all, send
from tests.support.stream_runs import (
    DISTINCT_EFFECTS,
    EFFECTS,
    applied,
    effect_order,
    make_effects,
    make_stream,
    record,
    running,
    until,
)


@pytest.fixture(autouse=True)
def effects(settings: Settings) -> None:
    make_effects(settings.require_pipeline_database())


def test_each_event_takes_effect_once_across_restarts(settings: Settings, tenants: list[str]) -> None:
    for _ in range(2):
        fill_outbox(settings, histories(tenants, entities=4, events=200))
        relay_all(settings)
        with running(settings, record, batch=30):
            until(applied(settings))
    assert count(settings, EFFECTS) == 400
    assert count(settings, DISTINCT_EFFECTS) == 400


def test_a_lost_connection_repeats_the_batch_and_no_effect(settings: Settings, tenants: list[str]) -> None:
    lost: list[bool] = []

    def handler(connection: psycopg.Connection[Any], events: Sequence[Event]) -> None:
        record(connection, events)
        if not lost:
            lost.append(True)
            connection.execute("select pg_terminate_backend(pg_backend_pid())")

    fill_outbox(settings, histories(tenants, entities=2, events=50))
    relay_all(settings)
    with running(settings, handler):
        until(applied(settings))
    assert count(settings, EFFECTS) == count(settings, DISTINCT_EFFECTS) == 50


def test_who_was_overtaken_rolls_back(settings: Settings, tenants: list[str]) -> None:
    fill_outbox(settings, [call(tenants[0], new_id()) for _ in range(3)])
    relay_all(settings)
    with running(settings, record):
        until(applied(settings))
        with psycopg.connect(settings.require_pipeline_database()) as connection:
            connection.execute("""
                update raw.consumer_offsets set next_offset = next_offset + 1 where (consumer_group, topic, partition) =
                  (select consumer_group, topic, partition from raw.consumer_offsets order by updated_at desc limit 1)
            """)
        fill_outbox(settings, [call(tenants[0], new_id()) for _ in range(3)])
        relay_all(settings)
        until(applied(settings))
    # the first of the second three was somebody else's
    assert count(settings, EFFECTS) == 5


def test_a_subject_keeps_its_order(settings: Settings, tenants: list[str]) -> None:
    fill_outbox(settings, histories(tenants, entities=2, events=120))
    relay_all(settings, batch=25)
    with running(settings, record, batch=10):
        until(applied(settings))
    orders = effect_order(settings.require_database())
    assert len(orders) == 4
    assert all(order == list(range(1, 31)) for order in orders.values())


def test_a_single_event_does_not_wait_for_others(settings: Settings, tenants: list[str]) -> None:
    """The median, against a reading of full batches that waits 200 ms: far from either."""
    seconds = []
    with running(settings, record):
        for number in range(12):
            fill_outbox(settings, [call(tenants[0], new_id())])
            relay_all(settings)
            sent = time.monotonic()
            while count(settings, EFFECTS) <= number:
                assert time.monotonic() < sent + 20
            seconds.append(time.monotonic() - sent)
    assert statistics.median(seconds[2:]) < 0.1, seconds


def test_a_stop_finishes_the_batch_under_way(settings: Settings, tenants: list[str]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: psycopg.Connection[Any], events: Sequence[Event]) -> None:
        begun.set()
        assert go_on.wait(20)
        record(connection, events)

    fill_outbox(settings, [call(tenants[0], new_id())])
    relay_all(settings)
    stop = threading.Event()
    thread = threading.Thread(target=make_stream(settings, slow).run, args=(stop,))
    thread.start()
    assert begun.wait(20)
    stop.set()
    go_on.set()
    thread.join(20)
    assert not thread.is_alive()
    assert count(settings, EFFECTS) == 1
    assert applied(settings)()


POISON = {
    "no JSON": b'{"specversion":',
    "no event": b'{"specversion":"1.0"}',
    "empty": b"",
    "a megabyte": b'"' + b"x" * 900_000 + b'"',
    "deep": b"[" * 10_000 + b"]" * 10_000,
}


def _spoilt(event: Event) -> dict[str, bytes]:
    def swap(old: bytes, new: bytes) -> bytes:
        payload = event.to_json()
        assert old in payload
        return payload.replace(old, new, 1)

    return POISON | {
        "lone surrogate": swap(b'"kind":"call"', b'"kind":"\\ud800"'),
        "NUL": swap(b'"data":{', b'"data":{"custom":{"k":"\\u0000"},'),
        "unknown type": swap(b"call.completed", b"call.forgotten"),
        "unknown version": swap(b'"schemaversion":1', b'"schemaversion":9'),
        "contract": swap(b'"kind":"call"', b'"kind":"shout"'),
    }


def test_what_is_no_event_is_passed_over_and_never_guessed(settings: Settings, tenants: list[str]) -> None:
    """The ingest reads the same topic and makes the letters: one each, not one for every consumer."""
    spoilt = list(_spoilt(call(tenants[0], new_id())).values())
    healthy = [call(tenants[0], new_id()) for _ in range(2)]
    send(settings, "bevyly.domain", healthy[0].to_json(), *spoilt, healthy[1].to_json(), key=tenants[0])
    with running(settings, record):
        until(applied(settings))
    with psycopg.connect(settings.require_database()) as connection:
        found = [row[0] for row in connection.execute("select event_id from effects order by n").fetchall()]
    assert found == [event.id for event in healthy]
    assert count(settings, "select count(*) from raw.dead_letters") == 0
