"""Redrive with everything running: a stream at work beside it, and the way of an event through the ingest and back."""

from collections.abc import Sequence

import psycopg
import pytest

from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.dead_letters.letters import OPEN, REDRIVEN, Selection, find
from pipelines.dead_letters.redrive import Redrive, Result
from pipelines.intake import drain
from pipelines.streams.application import Handler
from tests.support.event_streams import call, count, fill_outbox, relay_all, send
from tests.support.stream_runs import Picky, applied, at_work, effect_order, make_effects, make_stream, until

OPEN_LETTERS = "select count(*) from raw.dead_letters where status = 'open'"


@pytest.fixture(autouse=True)
def effects(settings: Settings) -> None:
    make_effects(settings.require_pipeline_database())


def redrive(settings: Settings, handler: Handler) -> Sequence[Result]:
    with psycopg.connect(settings.require_pipeline_database(), autocommit=True) as connection:
        chosen = find(connection, Selection(status=OPEN))
        return list(Redrive(connection, find_handler=lambda _: handler, actor="ann").run(chosen))


def test_a_subject_goes_on_where_it_was_held_up(settings: Settings, tenants: list[str]) -> None:
    subject, other = new_id(), new_id()
    events = [call(tenants[0], subject, number) for number in range(1, 7)]
    handler = Picky([events[1].id])
    with at_work(make_stream(settings, handler)):
        fill_outbox(settings, [*events[:4], call(tenants[1], other, 1)])
        relay_all(settings)
        until(lambda: applied(settings)() and count(settings, OPEN_LETTERS) == 3)
        handler.poison.clear()
        assert [one.status for one in redrive(settings, handler)] == [REDRIVEN] * 3
        fill_outbox(settings, events[4:])
        relay_all(settings)
        until(applied(settings))
    assert effect_order(settings.require_database()) == {
        (tenants[0], f"opportunity/{subject}"): [1, 2, 3, 4, 5, 6],
        (tenants[1], f"opportunity/{other}"): [1],
    }


def test_what_the_ingest_refused_reaches_every_consumer_once(settings: Settings, tenants: list[str]) -> None:
    """A tenant that was not known yet: the stream had the event before, the raw table had not."""
    event = call(new_id(), new_id())
    send(settings, "bevyly.domain", event.to_json(), key=event.tenant_id)
    assert drain(settings).dead_letters == 1
    with psycopg.connect(settings.require_database()) as connection:
        connection.execute("insert into customers (id, name) values (%s, 'late')", (event.tenant_id,))
    for _ in range(2):
        redrive(settings, Picky(()))
    assert relay_all(settings) == 1
    assert drain(settings).rows == 1
    assert drain(settings).rows == 0
    assert count(settings, OPEN_LETTERS) == 0
