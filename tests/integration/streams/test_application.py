"""One batch: effects and offsets together, poison set aside, its subject parked behind it, nobody else delayed."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from bevyly.db.leadership import DATABASE_AWAY
from bevyly.errors import Conflict, Unavailable
from bevyly.ids import new_id
from pipelines.dead_letters.limit import StopLimit, TooManyDeadLetters, halt
from pipelines.intake.offsets import OffsetsMoved, Partition, stored
from pipelines.streams.application import Halted
from tests.support.databases import Database
from tests.support.event_streams import call, histories
from tests.support.stream_runs import NAME, TOPIC, Batches, Picky, effect_order, make_effects, open_letters, record

Connection = psycopg.Connection[Any]
Fail = Callable[[Connection], object]


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    make_effects(database.pipeline_url)
    with psycopg.connect(database.pipeline_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def tenants(database: Database) -> list[str]:
    return [database.add_tenant("ours"), database.add_tenant("theirs")]


def one(connection: Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def position(connection: Connection) -> int:
    return stored(connection, NAME)[Partition(TOPIC, 0)]


def test_one_poison_among_hundreds_delays_nobody(connection: Connection, tenants: list[str]) -> None:
    events = list(histories(tenants, entities=200, events=400))
    handler = Picky([events[37].id])
    batches = Batches(connection, handler)
    outcome = batches.apply(*events)

    assert (outcome.applied, len(outcome.failed), outcome.parked) == (399, 1, [])
    assert one(connection, "select count(*) from effects") == 399
    assert one(connection, "select count(distinct transaction) from effects") == 1
    assert position(connection) == 400
    assert len(handler.calls) < 25
    assert batches.published == [f"{TOPIC}.dlq"]


def test_a_letter_says_what_where_and_why(connection: Connection, database: Database, tenants: list[str]) -> None:
    events = [call(tenants[0], new_id()) for _ in range(3)]
    Batches(connection, Picky([events[1].id])).apply(*events)
    columns = (
        'consumer, topic, partition, "offset", customer_id, event_id, type, subject, code, reason, tries, payload, '
        "key, headers, status, resolved_at"
    )
    assert open_letters(database.owner_url, columns) == [
        (
            NAME, TOPIC, 0, 1, tenants[0], events[1].id, "call.completed", events[1].subject, "handler_failed",
            "ValueError: poison", 3, events[1].to_json(), b"k", [], "open", None,
        )
    ]  # fmt: skip


def _raise(error: BaseException) -> Fail:
    def fail(_connection: Connection) -> None:
        raise error

    return fail


def _sql(statement: str) -> Fail:
    return lambda connection: connection.execute(statement)


TOO_LONG = """
create temp table t (x text primary key);
insert into t select string_agg(md5(n::text), '') from generate_series(1, 500) n
"""


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (_raise(KeyError("missing")), "KeyError"),
        (_raise(RecursionError("deep")), "RecursionError"),
        (_raise(MemoryError()), "MemoryError"),
        (_raise(Conflict("of the handler's own")), "Conflict"),
        (_raise(ValueError("a \0 in the reason")), "ValueError: a \ufffd in the reason"),
        (_raise(ValueError("half a \ud83d")), "ValueError: half a ?"),
        (_sql("select 1 / 0"), "DivisionByZero"),
        (_sql("select 'x'::jsonb"), "InvalidTextRepresentation"),
        (_sql(TOO_LONG), "ProgramLimitExceeded"),
        (_sql("select repeat('[', 100000)::jsonb"), "StatementTooComplex"),
    ],
)
def test_whatever_a_handler_fails_with_is_the_events_own_affair(
    connection: Connection, database: Database, tenants: list[str], fail: Fail, reason: str
) -> None:
    ours, theirs = call(tenants[0], new_id()), call(tenants[1], new_id())
    outcome = Batches(connection, Picky([ours.id], fail)).apply(ours, theirs)
    assert (outcome.applied, len(outcome.failed)) == (1, 1)
    [(code, said)] = open_letters(database.owner_url, "code, reason")
    assert (code, said.startswith(reason)) == ("handler_failed", True), said


@pytest.mark.parametrize("fail", [_raise(Unavailable("away")), _raise(psycopg.OperationalError("gone"))])
def test_an_outage_is_nobodys_poison(connection: Connection, tenants: list[str], fail: Fail) -> None:
    event = call(tenants[0], new_id())
    with pytest.raises((Unavailable, *DATABASE_AWAY)):
        Batches(connection, Picky([event.id], fail)).apply(event)
    assert position(connection) == 0
    assert one(connection, "select count(*) from raw.dead_letters") == 0


def test_what_follows_poison_on_its_subject_is_parked(
    connection: Connection, database: Database, tenants: list[str]
) -> None:
    subject, other = new_id(), new_id()
    events = [call(tenants[0], subject, number) for number in range(1, 5)]
    # the same subject id with another tenant is another subject
    others = [call(tenants[0], other, 1), call(tenants[1], subject, 1)]
    batches = Batches(connection, Picky([events[1].id]))
    first = batches.apply(events[0], others[0], events[1], events[2], others[1])
    second = batches.apply(events[3], call(tenants[1], subject, 2))

    assert (first.applied, len(first.failed), len(first.parked)) == (3, 1, 1)
    assert (second.applied, len(second.failed), len(second.parked)) == (1, 0, 1)
    assert open_letters(database.owner_url, "code, event_id") == [
        ("handler_failed", events[1].id), ("parked", events[2].id), ("parked", events[3].id),
    ]  # fmt: skip
    assert batches.published == [f"{TOPIC}.dlq"]
    assert effect_order(database.owner_url) == {
        (tenants[0], f"opportunity/{subject}"): [1],
        (tenants[0], f"opportunity/{other}"): [1],
        (tenants[1], f"opportunity/{subject}"): [1, 2],
    }


def test_without_parking_an_event_would_overtake_its_predecessor(
    connection: Connection, database: Database, tenants: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: the guard is what keeps the order."""
    monkeypatch.setattr("pipelines.streams.application.held_back", lambda *_: set())
    subject = new_id()
    events = [call(tenants[0], subject, number) for number in range(1, 4)]
    batches = Batches(connection, Picky([events[0].id]))
    for event in events:
        batches.apply(event)
    assert effect_order(database.owner_url) == {(tenants[0], f"opportunity/{subject}"): [2, 3]}


def test_a_letter_of_another_consumer_parks_nothing(connection: Connection, tenants: list[str]) -> None:
    event = call(tenants[0], new_id())
    Batches(connection, Picky([event.id])).apply(event)
    connection.execute("update raw.dead_letters set consumer = 'another'")
    assert Batches(connection, record).apply(call(tenants[0], event.subject_id, 2)).parked == []


def test_reading_again_makes_no_second_letter_and_no_second_try(connection: Connection, tenants: list[str]) -> None:
    events = [call(tenants[0], new_id()) for _ in range(3)]
    handler = Picky([events[1].id])
    batches = Batches(connection, handler)
    batches.apply(*events)
    state = "select string_agg(d::text, ',' order by id) from raw.dead_letters d"
    before = one(connection, state)
    batches.rewind()
    outcome = batches.apply(*events)
    assert (outcome.applied, len(outcome.failed), len(outcome.parked)) == (2, 0, 1)
    assert one(connection, state) == before


def test_a_log_that_began_anew_does_not_hide_new_poison_behind_old_letters(
    connection: Connection, database: Database, tenants: list[str]
) -> None:
    old, new = [[call(tenants[0], new_id()) for _ in range(2)] for _ in range(2)]
    batches = Batches(connection, Picky(event.id for event in old + new))
    batches.apply(*old)
    batches.rewind()
    batches.apply(*new)
    assert [row[0] for row in open_letters(database.owner_url, "event_id")] == [event.id for event in old + new]
    assert [row[0] for row in open_letters(database.owner_url, '"offset"')][2:] == [0, 1]


def test_who_was_overtaken_leaves_nothing(connection: Connection, tenants: list[str]) -> None:
    batches = Batches(connection, record)
    connection.execute("update raw.consumer_offsets set next_offset = 1")
    with pytest.raises(OffsetsMoved):
        batches.apply(call(tenants[0], new_id()))
    assert one(connection, "select count(*) from effects") == 0


def test_a_broken_handler_stops_before_anything_is_lost(connection: Connection, tenants: list[str]) -> None:
    events = [call(tenants[0], new_id()) for _ in range(40)]
    batches = Batches(connection, Picky(event.id for event in events))
    with pytest.raises(TooManyDeadLetters, match="21 of the last 40 events of probe fail: ValueError: poison"):
        batches.apply(*events)
    assert position(connection) == 0
    assert one(connection, "select count(*) from raw.dead_letters") == 0
    assert batches.published == []


def test_a_broken_handler_stops_across_small_batches_and_restarts(connection: Connection, tenants: list[str]) -> None:
    """What was set aside before it tripped stays open; a new process goes on counting where the last one ended."""
    handler = Picky(())

    def fresh() -> Batches:
        limit = StopLimit(NAME)
        limit.remember(connection)
        return Batches(connection, handler, limit=limit)

    fresh().apply(*(call(tenants[0], new_id()) for _ in range(300)))
    failing = [call(tenants[0], new_id()) for _ in range(20)]
    handler.poison = {event.id for event in failing}
    for event in failing[:19]:
        fresh().apply(event)
    with pytest.raises(TooManyDeadLetters):
        fresh().apply(failing[19])
    assert position(connection) == 319
    assert one(connection, "select count(*) from raw.dead_letters where status = 'open'") == 19


def test_parked_events_do_not_count_as_failures(connection: Connection, tenants: list[str]) -> None:
    subject = new_id()
    events = [call(tenants[0], subject, number) for number in range(1, 101)]
    batches = Batches(connection, Picky([events[0].id]))
    for start in range(0, 100, 10):
        batches.apply(*events[start : start + 10])
    assert one(connection, "select count(*) from raw.dead_letters where code = 'parked'") == 99


def test_a_halt_is_heard_with_the_next_batch(connection: Connection, tenants: list[str]) -> None:
    batches = Batches(connection, record)
    batches.apply(call(tenants[0], new_id()))
    halt(connection, NAME, "a person said so")
    with pytest.raises(Halted):
        batches.apply(call(tenants[0], new_id()))
    assert position(connection) == 1
