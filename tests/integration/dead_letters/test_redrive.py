"""Redriving a stream's letters: in order, once, beside a running stream; what fails again stays."""

import contextlib
import random
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest

from bevyly.errors import NotFound
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from pipelines.dead_letters import letters
from pipelines.dead_letters.letters import DISCARDED, OPEN, REDRIVEN, Selection
from pipelines.dead_letters.redrive import Redrive, Result
from pipelines.streams.application import Handler
from tests.support.databases import Database
from tests.support.event_streams import call
from tests.support.stream_runs import NAME, Batches, Picky, effect_order, make_effects, open_letters, record

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def effects(database: Database) -> None:
    make_effects(database.pipeline_url)


def history(tenant: str, length: int) -> list[Event]:
    subject = new_id()
    return [call(tenant, subject, number) for number in range(1, length + 1)]


def all_open(connection: Connection) -> list[letters.Letter]:
    return letters.find(connection, Selection(status=OPEN))


def redrive(connection: Connection, handler: Handler, chosen: Sequence[letters.Letter] | None = None) -> list[Result]:
    work = Redrive(connection, find_handler=lambda _: handler, actor="ann")
    return list(work.run(all_open(connection) if chosen is None else chosen))


def statuses(results: Sequence[Result]) -> list[str]:
    return [result.status for result in results]


def test_after_the_repair_a_subject_takes_effect_in_order(
    connection: Connection, database: Database, tenants: list[str]
) -> None:
    ours, theirs = history(tenants[0], 5), history(tenants[1], 2)
    handler = Picky([ours[1].id, theirs[0].id])
    batches = Batches(connection, handler)
    batches.apply(ours[0], theirs[0], ours[1], ours[2])
    batches.apply(ours[3], theirs[1])
    handler.poison.clear()

    results = redrive(connection, handler)

    assert statuses(results) == [REDRIVEN] * 5
    assert batches.apply(ours[4]).applied == 1
    assert sorted(effect_order(database.owner_url).values()) == [[1, 2], [1, 2, 3, 4, 5]]
    trace = connection.execute("select distinct status, resolution, resolved_at > created_at from raw.dead_letters")
    assert trace.fetchall() == [(REDRIVEN, "applied by ann", True)]


def test_the_letter_at_fault_brings_along_what_is_parked_behind_it(
    connection: Connection, database: Database, tenants: list[str]
) -> None:
    events, other = history(tenants[0], 3), history(tenants[0], 1)
    handler = Picky([events[0].id, other[0].id])
    Batches(connection, handler).apply(*events, *other)
    handler.poison.clear()
    at_fault = [one for one in all_open(connection) if one.event_id == events[0].id]
    assert statuses(redrive(connection, handler, at_fault)) == [REDRIVEN] * 3
    assert open_letters(database.owner_url, "event_id") == [(other[0].id,)]


def test_redriving_twice_is_one_effect(connection: Connection, database: Database, tenants: list[str]) -> None:
    events = history(tenants[0], 3)
    handler = Picky([events[0].id])
    batches = Batches(connection, handler)
    batches.apply(*events)
    handler.poison.clear()
    chosen = all_open(connection)
    first, second = redrive(connection, handler, chosen), redrive(connection, handler, chosen)
    assert sorted(first, key=lambda one: one.id) == sorted(second, key=lambda one: one.id)
    assert list(effect_order(database.owner_url).values()) == [[1, 2, 3]]


def two_at_once(database: Database, tenants: list[str]) -> list[int]:
    """Two redrives of one letter, both as far as the guard lets them; the effects."""
    event = history(tenants[0], 1)[0]
    meet = threading.Barrier(2)

    def handler(connection: Connection, events: Sequence[Event]) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            meet.wait(2)
        record(connection, events)

    def run() -> None:
        with psycopg.connect(database.pipeline_url, autocommit=True) as connection:
            redrive(connection, handler, chosen)

    with psycopg.connect(database.pipeline_url, autocommit=True) as connection:
        Batches(connection, Picky([event.id])).apply(event)
        chosen = all_open(connection)
    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return effect_order(database.owner_url)[event.tenant_id, event.subject]


def test_two_redrives_at_once_are_one_effect(database: Database, tenants: list[str]) -> None:
    assert two_at_once(database, tenants) == [1]


def test_without_the_lock_two_redrives_would_be_two_effects(
    database: Database, tenants: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control."""
    monkeypatch.setattr(letters, "_LOCK_SUBJECT", letters._LOCK_SUBJECT.replace("for update", ""))
    assert two_at_once(database, tenants) == [1, 1]


def test_what_fails_again_stays_open_with_its_new_reason(
    connection: Connection, database: Database, tenants: list[str]
) -> None:
    events = history(tenants[0], 4)
    handler = Picky([events[0].id])
    Batches(connection, handler).apply(*events)
    handler.poison = {events[1].id}
    first, second = redrive(connection, handler)[:2]
    assert (first.status, second.status, second.detail) == (REDRIVEN, OPEN, "ValueError: poison")
    assert open_letters(database.owner_url, "event_id, code, tries, reason") == [
        (events[1].id, "handler_failed", 1, "ValueError: poison"),
        (events[2].id, "parked", 0, f"behind an open letter of {events[2].subject}"),
        (events[3].id, "parked", 0, f"behind an open letter of {events[3].subject}"),
    ]
    handler.poison.clear()
    redrive(connection, handler)
    assert list(effect_order(database.owner_url).values()) == [[1, 2, 3, 4]]


def test_a_letter_does_not_overtake_an_earlier_one(
    connection: Connection, database: Database, tenants: list[str]
) -> None:
    events = history(tenants[0], 3)
    handler = Picky([events[0].id])
    Batches(connection, handler).apply(*events)
    handler.poison.clear()
    first, *later = sorted(all_open(connection), key=lambda one: one.offset)
    results = redrive(connection, handler, later)
    assert [(one.status, one.detail) for one in results] == [
        (OPEN, f"{first.id} comes first on {events[0].subject}")
    ] * 2
    assert effect_order(database.owner_url) == {}


def test_what_was_discarded_leaves_the_rest_to_be_redriven(
    connection: Connection, database: Database, tenants: list[str]
) -> None:
    events = history(tenants[0], 3)
    handler = Picky([events[0].id])
    batches = Batches(connection, handler)
    batches.apply(*events[:2])
    [at_fault] = [one for one in all_open(connection) if one.code != "parked"]
    assert letters.resolve(connection, [at_fault.id], status=DISCARDED, resolution="a test") == [at_fault.id]
    assert batches.apply(events[2]).applied == 0
    results = redrive(connection, handler, [at_fault, *all_open(connection)])
    assert sorted(statuses(results)) == [DISCARDED, REDRIVEN, REDRIVEN]
    assert list(effect_order(database.owner_url).values()) == [[2, 3]]


def test_a_consumer_without_code_keeps_its_letters(connection: Connection, tenants: list[str]) -> None:
    event = history(tenants[0], 1)[0]
    Batches(connection, Picky([event.id])).apply(event)

    def nobody(name: str) -> Handler:
        raise NotFound(f"There is no stream {name!r}.")

    results = list(Redrive(connection, find_handler=nobody, actor="ann").run(all_open(connection)))
    assert [(one.status, one.detail) for one in results] == [(OPEN, f"There is no stream {NAME!r}.")]


def test_a_stream_waits_for_a_redrive_and_leaves_nothing_behind(
    connection: Connection, database: Database, tenants: list[str]
) -> None:
    events = history(tenants[0], 4)
    batches = Batches(connection, Picky([events[0].id]))
    batches.apply(*events[:3])
    begun, go_on, outcomes = threading.Event(), threading.Event(), []

    def slow(connection: Connection, events: Sequence[Event]) -> None:
        begun.set()
        assert go_on.wait(20)
        record(connection, events)

    def redriving() -> None:
        with psycopg.connect(database.pipeline_url, autocommit=True) as own:
            redrive(own, slow)

    def streaming() -> None:
        outcomes.append(batches.apply(events[3]))

    threads = [threading.Thread(target=redriving), threading.Thread(target=streaming)]
    threads[0].start()
    assert begun.wait(20)
    threads[1].start()
    _until_waiting(database)
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert [(one.applied, one.parked) for one in outcomes] == [(1, [])]
    assert list(effect_order(database.owner_url).values()) == [[1, 2, 3, 4]]


def _until_waiting(database: Database) -> None:
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        for _ in range(2_000):
            row = connection.execute(waiting).fetchone()
            if row and row[0]:
                return
    raise AssertionError("nobody waits")


def test_redrives_beside_a_running_stream_keep_every_subject_in_order(
    connection: Connection, database: Database, tenants: list[str]
) -> None:
    """Handlers fail by chance on both sides, until all is through: nothing lost, doubled or overtaken."""
    seed = random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    chance, subjects = random.Random(seed), [new_id() for _ in range(3)]
    events = [call(tenants[number % 2], subjects[number % 3], number // 6 + 1) for number in range(240)]

    def moody(rate: float) -> Callable[[Connection, Sequence[Event]], None]:
        def handler(connection: Connection, events: Sequence[Event]) -> None:
            record(connection, events)
            if chance.random() < rate:
                raise ValueError("not now")

        return handler

    done = threading.Event()

    def redriving() -> None:
        with psycopg.connect(database.pipeline_url, autocommit=True) as own:
            while not done.is_set():
                redrive(own, moody(0.2))

    thread = threading.Thread(target=redriving)
    thread.start()
    try:
        batches = Batches(connection, moody(0.5), limit=_never())
        for start in range(0, len(events), 4):
            batches.apply(*events[start : start + 4])
    finally:
        done.set()
        thread.join(60)
    redrive(connection, record)
    assert all_open(connection) == []
    orders = effect_order(database.owner_url)
    assert len(orders) == 6
    assert all(order == list(range(1, 41)) for order in orders.values())
    assert connection.execute("select count(*) from raw.dead_letters").fetchone() != (0,)


def _never() -> Any:
    from pipelines.dead_letters.limit import StopLimit

    return StopLimit(NAME, at_least=10_000)
