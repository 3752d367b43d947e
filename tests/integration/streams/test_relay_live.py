"""What people are told live: copied from what was published, once, in the order of commits, for a day."""

import threading
import time
from typing import Any

import msgspec
import psycopg
import pytest

from bevyly.events.contracts import EXAMPLES
from bevyly.events.envelope import Event
from bevyly.events.live import CHANNEL, told
from bevyly.events.outbox import copy_to_outbox
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.streams.relay import run
from pipelines.streams.relay.live import LiveKeeper
from tests.support.event_streams import call, count, fill_outbox, relay_all, relay_dies

LIVE = "select count(*) from live_events"
USER = "61f554ec-7221-852e-b887-3dcdb25faa96"


def example(type_: str, tenant: str) -> Event:
    event = Event.from_json((EXAMPLES / type_ / "1" / "full.json").read_bytes())
    return msgspec.structs.replace(event, id=new_id(), tenant_id=tenant)


def kept(settings: Settings) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        return connection.execute(
            "select customer_id, event_id, topic, type, user_id, envelope from live_events order by seq"
        ).fetchall()


def test_it_holds_what_people_are_told_in_order_and_once(settings: Settings, tenants: list[str]) -> None:
    ours, theirs = tenants
    events = [
        example("signal.raised", ours),
        call(ours, new_id()),
        example("briefing.published", theirs),
        example("briefing.refresh_requested", ours),
        example("recommendation.created", ours),
    ]
    fill_outbox(settings, events)
    relay_all(settings, batch=2)
    fill_outbox(settings, events)
    relay_all(settings)
    shown = [(events[0], "signals", None), (events[2], "briefing", USER), (events[4], "recommendations", None)]
    assert kept(settings) == [
        (event.tenant_id, event.id, topic, event.type, user, event.to_json().decode()) for event, topic, user in shown
    ]


def test_every_import_has_its_topic() -> None:
    assert told('{"id":"1","type":"import.progressed","data":{}}') == ("1", "import.progressed", "imports", None)


@pytest.mark.parametrize("envelope", ["", "{}", "[]", '{"id":1,"type":"signal.raised","data":{}}'])
def test_what_is_no_event_is_not_told(envelope: str) -> None:
    assert told(envelope) is None
    assert told('{"id":"1","type":"briefing.published","data":{}}') is None


@pytest.mark.parametrize("point", ["after_flush", "before_commit"])
def test_a_relay_that_dies_tells_nothing_and_the_next_one_everything(
    settings: Settings, tenants: list[str], point: str
) -> None:
    fill_outbox(settings, [example("signal.raised", tenants[0]) for _ in range(5)])
    assert relay_dies(settings, point)
    assert count(settings, LIVE) == 0
    relay_all(settings)
    assert count(settings, LIVE) == 5


def test_a_signal_is_told_within_a_second_of_its_commit(settings: Settings, tenants: list[str]) -> None:
    stop, seconds = threading.Event(), []
    relay = threading.Thread(target=run, args=(settings, stop))
    relay.start()
    try:
        with psycopg.connect(settings.require_app_database(), autocommit=True) as listening:
            listening.execute(f"listen {CHANNEL}".encode())
            for _ in range(6):
                with psycopg.connect(settings.require_pipeline_database()) as writing:
                    copy_to_outbox(writing, [example("signal.raised", tenants[0])])
                committed = time.monotonic()
                (notified,) = listening.notifies(timeout=20, stop_after=1)
                seconds.append(time.monotonic() - committed)
                assert notified.payload == tenants[0]
    finally:
        stop.set()
        relay.join(20)
    assert sorted(seconds)[3] < 1.0, seconds


def test_it_forgets_what_is_older_than_a_day_and_an_hour(settings: Settings, tenants: list[str]) -> None:
    fill_outbox(settings, [example("signal.raised", tenants[0]) for _ in range(2)])
    relay_all(settings)
    now = [0.0]
    keeper = LiveKeeper(clock=lambda: now[0])
    with psycopg.connect(settings.require_database(), autocommit=True) as owner:
        owner.execute("set role bevyly_pipeline")
        keeper.clean(owner)
        assert count(settings, LIVE) == 2
        owner.execute("reset role")
        owner.execute("alter table live_events no force row level security")
        for hours, seq in ((24, 0), (26, 1)):
            owner.execute(
                "update live_events set created_at = now() - make_interval(hours => %s) where event_id = %s",
                (hours, kept(settings)[seq][1]),
            )
        owner.execute("alter table live_events force row level security")
        owner.execute("set role bevyly_pipeline")
        keeper.clean(owner)
        assert count(settings, LIVE) == 2, "not before an hour has passed"
        now[0] += 3_600
        keeper.clean(owner)
        assert count(settings, LIVE) == 1
