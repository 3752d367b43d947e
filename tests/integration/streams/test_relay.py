"""The relay: everything in the outbox, in its order, by one publisher at a time."""

import threading
import time

import psycopg
import pytest

from bevyly.db.leadership import DATABASE_AWAY, leadership
from bevyly.events.bus import BrokerUnavailable, Publisher
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.streams.relay import ROLE, Relay, metrics, run
from tests.support.databases import Database
from tests.support.event_streams import call, count, fill_outbox, histories, messages, relay_all

OUTBOX = "select count(*) from outbox"


def test_events_keep_their_order_and_a_tenant_its_partition(settings: Settings, tenants: list[str]) -> None:
    sent = list(histories(tenants, entities=3, events=100))
    fill_outbox(settings, sent)
    assert relay_all(settings, batch=7) == 100

    ours = [one for one in messages(settings, "bevyly.domain", partitions=6) if (one.key() or b"").decode() in tenants]
    found = [(message, Event.from_json(message.value() or b"")) for message in ours]
    for tenant in tenants:
        assert [event for _, event in found if event.tenant_id == tenant] == [e for e in sent if e.tenant_id == tenant]
        assert len({message.partition() for message, event in found if event.tenant_id == tenant}) == 1
        assert {message.key() for message, event in found if event.tenant_id == tenant} == {tenant.encode()}
    assert count(settings, OUTBOX) == 0


def test_without_acknowledgement_nothing_is_deleted(database: Database, tenants: list[str]) -> None:
    settings = Settings(database_url=database.owner_url, kafka_brokers="127.0.0.1:1")
    fill_outbox(settings, histories(tenants, entities=1, events=10))

    class Impatient(Publisher):
        def flush(self, *, seconds: float = 0.2, while_waiting: object = None) -> None:
            super().flush(seconds=0.2)

    with leadership(database.pipeline_url, ROLE) as connection:
        assert connection is not None
        with pytest.raises(BrokerUnavailable):
            Relay(Impatient(settings)).publish_batch(connection)
    assert count(settings, OUTBOX) == 10


def test_one_leads_and_the_next_takes_over(database: Database) -> None:
    with leadership(database.pipeline_url, ROLE) as first:
        assert first is not None
        with leadership(database.pipeline_url, ROLE) as second:
            assert second is None
        with leadership(database.pipeline_url, "another") as other:
            assert other is not None
    with leadership(database.pipeline_url, ROLE) as second:
        assert second is not None


def test_a_leader_that_says_nothing_loses_its_lease_and_its_transaction(settings: Settings, tenants: list[str]) -> None:
    fill_outbox(settings, [call(tenants[0], new_id())])
    url = settings.require_pipeline_database()
    with (
        pytest.raises(DATABASE_AWAY),
        leadership(url, ROLE, lease_seconds=0.2) as silent,
    ):
        assert silent is not None
        silent.execute("begin")
        silent.execute("delete from outbox")
        assert _takes_over(url, within=10.0)
        silent.execute("commit")
    assert count(settings, OUTBOX) == 1


def _takes_over(url: str, *, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with leadership(url, ROLE) as successor:
            if successor is not None:
                return True
    return False


def test_an_event_that_is_not_committed_is_not_published(settings: Settings, tenants: list[str]) -> None:
    from bevyly.events.outbox import copy_to_outbox

    with psycopg.connect(settings.require_pipeline_database()) as connection:
        copy_to_outbox(connection, [call(tenants[0], new_id())])
        assert relay_all(settings) == 0
        connection.rollback()
    assert relay_all(settings) == 0


def test_the_gauges_say_what_waits(settings: Settings, tenants: list[str]) -> None:
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        metrics.measure(connection)
        assert metrics.waiting._value.get() == 0
        assert metrics.journal_partitions._value.get() >= 2
        fill_outbox(settings, histories(tenants, entities=1, events=10))
        connection.execute("update outbox set created_at = created_at - interval '1 hour'")
        metrics.measure(connection)
    assert metrics.waiting._value.get() == 10
    assert metrics.oldest._value.get() > 3_500


def test_of_two_relays_the_other_goes_on_when_one_stops(settings: Settings, tenants: list[str]) -> None:
    stops = [threading.Event(), threading.Event()]
    threads = [threading.Thread(target=run, args=(settings, stop)) for stop in stops]
    for thread in threads:
        thread.start()
    try:
        for stop, sent in ((stops[0], 100), (stops[1], 200)):
            fill_outbox(settings, histories(tenants, entities=2, events=100))
            deadline = time.monotonic() + 20
            while count(settings, OUTBOX) and time.monotonic() < deadline:
                pass
            assert count(settings, "select count(*) from event_journal") == sent
            stop.set()
    finally:
        for stop, thread in zip(stops, threads, strict=True):
            stop.set()
            thread.join(20)
    ours = [one for one in messages(settings, "bevyly.domain", partitions=6) if (one.key() or b"").decode() in tenants]
    assert len(ours) == 200, "each once: never did both lead"


def test_run_publishes_until_told_to_stop(settings: Settings, tenants: list[str]) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings, stop))
    thread.start()
    try:
        fill_outbox(settings, histories(tenants, entities=2, events=20))
        deadline = time.monotonic() + 20
        while count(settings, OUTBOX) and time.monotonic() < deadline:
            pass
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
    assert count(settings, OUTBOX) == 0
