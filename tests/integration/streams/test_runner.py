"""The runner: effects exactly once, poison set aside, outages waited out."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.intake.lag import total_lag
from pipelines.streams.runner import Handler, Stream
from tests.support.event_streams import CLOCK, call, count, fill_outbox, histories, messages, relay_all, send

EFFECTS = "select count(*) from effects"
NAME = "probe"


@pytest.fixture(autouse=True)
def effects(settings: Settings) -> None:
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        connection.execute("create table effects (n bigint generated always as identity, event_id text, subject text)")


def record(connection: psycopg.Connection[Any], events: Sequence[Event]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into effects (event_id, subject) values (%s, %s)", [(event.id, event.subject) for event in events]
        )


@contextmanager
def running(settings: Settings, handler: Handler, **options: Any) -> Iterator[None]:
    stop = threading.Event()
    stream = Stream(NAME, topics=["bevyly.domain"], handler=handler, settings=settings, clock=CLOCK, **options)
    thread = threading.Thread(target=stream.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def until(condition: Callable[[], bool], *, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"


def applied(settings: Settings) -> Callable[[], bool]:
    return lambda: total_lag(settings, group=NAME) == 0


def test_each_event_takes_effect_once_across_restarts(settings: Settings, tenants: list[str]) -> None:
    for _ in range(2):
        fill_outbox(settings, histories(tenants, entities=4, events=200))
        relay_all(settings)
        with running(settings, record, batch=30):
            until(applied(settings))
    assert count(settings, EFFECTS) == 400
    assert count(settings, "select count(distinct event_id) from effects") == 400


def test_an_event_that_always_fails_is_set_aside_after_three_tries(settings: Settings, tenants: list[str]) -> None:
    events = [call(tenants[0], new_id()) for _ in range(5)]
    tries: list[str] = []

    def fails_on_the_third(connection: psycopg.Connection[Any], batch: Sequence[Event]) -> None:
        record(connection, batch)
        if any(event.id == events[2].id for event in batch):
            tries.append("once more")
            raise ValueError("poison")

    fill_outbox(settings, events)
    relay_all(settings)
    with running(settings, fails_on_the_third):
        until(applied(settings))

    assert count(settings, EFFECTS) == 4
    letter = messages(settings, "bevyly.domain.dlq")[-1]
    headers = {key: value.decode() for key, value in letter.headers() or []}
    assert letter.value() == events[2].to_json()
    assert headers["error-code"] == "handler_failed"
    assert headers["reason"] == "ValueError: poison"
    assert headers["consumer"] == NAME
    assert headers["tries"] == "3"
    assert len(tries) == 1 + 3


def test_a_handler_that_fails_on_everything_loses_nothing(settings: Settings, tenants: list[str]) -> None:
    broken = threading.Event()
    broken.set()
    before = len(messages(settings, "bevyly.domain.dlq"))
    failures: list[int] = []

    def handler(connection: psycopg.Connection[Any], events: Sequence[Event]) -> None:
        if broken.is_set():
            failures.append(len(events))
            raise ValueError("ours")
        record(connection, events)

    fill_outbox(settings, [call(tenants[0], new_id()) for _ in range(40)])
    relay_all(settings)
    with running(settings, handler):
        until(lambda: failures.count(40) >= 2)
        broken.clear()
        until(applied(settings))
    assert count(settings, EFFECTS) == 40
    assert len(messages(settings, "bevyly.domain.dlq")) == before


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
    assert count(settings, EFFECTS) == count(settings, "select count(distinct event_id) from effects") == 50


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


def test_what_is_no_event_is_passed_over(settings: Settings, tenants: list[str]) -> None:
    event = call(tenants[0], new_id())
    send(settings, "bevyly.domain", b"nonsense", event.to_json(), key=tenants[0])
    with running(settings, record):
        until(applied(settings))
    assert count(settings, EFFECTS) == 1


def test_a_tenant_keeps_its_order(settings: Settings, tenants: list[str]) -> None:
    sent = list(histories(tenants, entities=2, events=120))
    fill_outbox(settings, sent)
    relay_all(settings, batch=25)
    with running(settings, record, batch=10):
        until(applied(settings))
    with psycopg.connect(settings.require_database()) as connection:
        order = [row[0] for row in connection.execute("select event_id from effects order by n").fetchall()]
    for tenant in tenants:
        expected = [event.id for event in sent if event.tenant_id == tenant]
        assert [one for one in order if one in set(expected)] == expected
