"""Redriving what the ingest refused: through the outbox again, once, unless something newer has arrived."""

from collections.abc import Callable
from typing import Any

import psycopg

from bevyly.events.envelope import Event
from bevyly.ids import new_id
from pipelines.dead_letters import letters
from pipelines.dead_letters.letters import OPEN, REDRIVEN, Selection
from pipelines.dead_letters.redrive import Redrive, Result
from pipelines.streams.application import Handler
from tests.support.databases import Database
from tests.support.event_streams import call

Connection = psycopg.Connection[Any]
Refuse = Callable[..., None]


def _no_handler(name: str) -> Handler:
    raise AssertionError(name)


def redrive(connection: Connection, *, out_of_order: bool = False, event_ids: list[str] | None = None) -> list[Result]:
    chosen = [
        one
        for one in letters.find(connection, Selection(consumer="raw"))
        if event_ids is None or one.event_id in event_ids
    ]
    return list(Redrive(connection, find_handler=_no_handler, actor="ann").run(chosen, out_of_order=out_of_order))


def outbox(connection: Connection) -> list[Event]:
    return [Event.from_json(row[0]) for row in connection.execute("select envelope from outbox order by position")]


def arrived(connection: Connection, event: Event) -> None:
    """As if the ingest had stored `event`."""
    connection.execute(
        """
        insert into raw.events (customer_id, event_id, type, schema_version, subject_type, subject_id, sequence,
          occurred_at, recorded_at, data, source, topic, partition, "offset", ingested_at)
        values (%s, %s, %s, 1, %s, %s, %s, now(), now(), '{}', 'x', 't', 0, 0, now())
        """,
        (event.tenant_id, event.id, event.type, event.subject_type, event.subject_id, event.sequence),
    )


def test_what_is_readable_now_goes_out_again_once_and_in_order(
    connection: Connection, tenants: list[str], refuse: Refuse
) -> None:
    subject = new_id()
    events = [call(tenants[0], subject, number) for number in (1, 2, 3)]
    refuse(*events)
    first, second = redrive(connection), redrive(connection)
    assert [one.status for one in first + second] == [REDRIVEN] * 6
    assert outbox(connection) == events
    trace = connection.execute("select distinct status, resolution from raw.dead_letters").fetchall()
    assert trace == [(REDRIVEN, "published again by ann")]


def test_what_is_still_unreadable_stays_and_says_why(
    connection: Connection, tenants: list[str], refuse: Refuse
) -> None:
    stranger = call(new_id(), new_id())
    refuse(b"\xff nonsense", stranger)
    said = sorted(one.detail for one in redrive(connection))
    assert said[0] == f"no tenant {stranger.tenant_id}"
    assert said[1].startswith("not JSON")
    assert outbox(connection) == []
    rows = connection.execute("select status, code, tries from raw.dead_letters order by code").fetchall()
    assert rows == [(OPEN, "bad_json", 2), (OPEN, "contract_violation", 1)]


def test_what_newer_versions_overtook_goes_out_only_when_told_so(
    connection: Connection, tenants: list[str], refuse: Refuse
) -> None:
    subject = new_id()
    old, apart = call(tenants[0], subject, 3), call(tenants[1], subject, 3)
    refuse(old, apart)
    arrived(connection, call(tenants[0], subject, 7))
    results = {one.detail: one.status for one in redrive(connection)}
    assert results == {
        f"version 7 of {old.subject} has arrived, this is 3; --out-of-order sends it nevertheless": OPEN,
        "published again by ann": REDRIVEN,
    }
    assert outbox(connection) == [apart]
    redrive(connection, out_of_order=True)
    assert outbox(connection) == [apart, old]
    assert connection.execute("select count(*) from raw.dead_letters where status = 'open'").fetchone() == (0,)


def test_an_earlier_letter_of_the_subject_comes_first(
    connection: Connection, tenants: list[str], refuse: Refuse
) -> None:
    subject = new_id()
    first, second = call(tenants[0], subject, 1), call(tenants[0], subject, 2)
    refuse(first, second)
    [result] = redrive(connection, event_ids=[second.id])
    assert result.status == OPEN
    assert "comes first on" in result.detail
    assert outbox(connection) == []


def test_an_event_that_arrived_meanwhile_is_not_sent_again(
    connection: Connection, database: Database, tenants: list[str], refuse: Refuse
) -> None:
    event = call(tenants[0], new_id())
    refuse(event)
    arrived(connection, event)
    [result] = redrive(connection)
    assert (result.status, result.detail) == (REDRIVEN, "was in raw.events already, seen by ann")
    assert outbox(connection) == []
