"""Wake-up: a commit with events reaches the relay before its next poll, costs the writer nothing, and may be lost."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from bevyly.db.engine import make_async_engine
from bevyly.db.unit_of_work import unit_of_work, with_nudge
from bevyly.events.outbox import copy_to_outbox, outbox_rows
from bevyly.events.wakeup import LISTEN, NOTIFY, Nudger, nudges
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.streams.relay import run
from pipelines.streams.relay.metrics import wakeups
from tests.support.databases import Database
from tests.support.event_streams import call, count

# longer than any wake-up takes, shorter than half a lease
POLL_SECONDS = 2.4
OUTBOX = "select count(*) from outbox"


def woken(cause: str) -> float:
    return wakeups.labels(cause=cause)._value.get()


@contextmanager
def relay_at_work(settings: Settings) -> Iterator[threading.Thread]:
    """A relay in a thread, which polls rarely."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings, stop), kwargs={"poll_seconds": POLL_SECONDS})
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    breath = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        breath.wait(0.005)


def write(settings: Settings, tenant: str, *, nudge: bool) -> None:
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        if nudge:
            copy_to_outbox(connection, [call(tenant, new_id())])
        else:
            (row,) = outbox_rows([call(tenant, new_id())])
            connection.execute(
                "insert into outbox (customer_id, event_id, topic, envelope)"
                " values (%(customer_id)s, %(event_id)s, %(topic)s, %(envelope)s)",
                row,
            )


def seconds_to_publish(settings: Settings, tenant: str, *, nudge: bool) -> float:
    """From the commit of an event, made when a wait has just begun, to its leaving the outbox."""
    before = woken("poll")
    until(lambda: woken("poll") > before)
    write(settings, tenant, nudge=nudge)
    began = time.monotonic()
    until(lambda: count(settings, OUTBOX) == 0)
    return time.monotonic() - began


def test_a_nudge_wakes_the_relay_and_without_it_the_poll_does(settings: Settings, tenants: list[str]) -> None:
    with relay_at_work(settings):
        before = woken("notify")
        assert seconds_to_publish(settings, tenants[0], nudge=True) < POLL_SECONDS / 2
        assert woken("notify") > before

        before = woken("notify")
        assert seconds_to_publish(settings, tenants[0], nudge=False) > POLL_SECONDS / 2
        assert woken("notify") == before


async def test_the_api_wakes_the_relay(settings: Settings, tenants: list[str]) -> None:
    url = settings.require_app_database()
    nudger = Nudger(url)
    engine = with_nudge(make_async_engine(url), nudger.nudge)
    with relay_at_work(settings):
        before = woken("poll")
        await asyncio.to_thread(until, lambda: woken("poll") > before)
        async with unit_of_work(engine, tenants[0]) as work:
            work.emit(call(tenants[0], new_id()))
        began = time.monotonic()
        await asyncio.to_thread(until, lambda: count(settings, OUTBOX) == 0)
        assert time.monotonic() - began < POLL_SECONDS / 2
    await nudger.close()
    await engine.dispose()


async def test_only_a_commit_with_events_nudges(database: Database) -> None:
    tenant = database.add_tenant("ours")
    nudged: list[int] = []
    engine = with_nudge(make_async_engine(database.app_url), lambda: nudged.append(_committed(database)))

    async with unit_of_work(engine, tenant):
        pass
    with pytest.raises(RuntimeError, match="half way"):
        async with unit_of_work(engine, tenant) as work:
            work.emit(call(tenant, new_id()))
            await work.write_outbox()
            raise RuntimeError("half way")
    assert nudged == []
    async with unit_of_work(engine, tenant) as work:
        work.emit(call(tenant, new_id()))
    assert nudged == [1], "after the commit: the event was there to be seen"
    await engine.dispose()


def _committed(database: Database) -> int:
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute(OUTBOX).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def listening(database: Database) -> Iterator[Callable[[], int]]:
    """Counts the wake-ups that arrive until the one that it sends itself."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(LISTEN)

        def arrived() -> int:
            connection.execute(NOTIFY)
            return sum(1 for _ in connection.notifies(timeout=5, stop_after=1)) - 1

        yield arrived


async def test_many_writers_share_one_nudge(database: Database) -> None:
    nudger = Nudger(database.app_url, interval=0.1)
    before = nudges.labels(outcome="sent")._value.get()
    with listening(database) as arrived:
        for _ in range(100):
            nudger.nudge()
        await _sent(before + 1)
        for _ in range(100):
            nudger.nudge()
        await _sent(before + 2)
        await nudger.close()
        assert await asyncio.to_thread(arrived) == 2


async def _sent(number: float, outcome: str = "sent") -> None:
    await asyncio.to_thread(until, lambda: nudges.labels(outcome=outcome)._value.get() >= number)


async def test_a_nudge_that_cannot_be_sent_harms_nobody(database: Database) -> None:
    tenant = database.add_tenant("ours")
    before = nudges.labels(outcome="failed")._value.get()
    nudger = Nudger("postgresql://127.0.0.1:1/nowhere")
    engine = with_nudge(make_async_engine(database.app_url), nudger.nudge)
    async with unit_of_work(engine, tenant) as work:
        work.emit(call(tenant, new_id()))
    await _sent(before + 1, "failed")
    assert _committed(database) == 1
    await nudger.close()
    await engine.dispose()


async def test_a_nudger_connects_again_after_an_outage(database: Database) -> None:
    nudger = Nudger(database.app_url, interval=0.0)
    sent, failed = (nudges.labels(outcome=outcome)._value.get() for outcome in ("sent", "failed"))
    nudger.nudge()
    await _sent(sent + 1)
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name = 'bevyly-nudger' and datname = current_database()"
        )
    nudger.nudge()
    await _sent(failed + 1, "failed")
    nudger.nudge()
    await _sent(sent + 2)
    await nudger.close()


@pytest.mark.parametrize("delay", [number / 10_000 for number in range(0, 60, 3)])
async def test_a_nudger_closes_at_whatever_moment(database: Database, delay: float) -> None:
    """With a nudge on its way, or just sent: a cancellation that meets its end must not be waited for in vain."""
    nudger = Nudger(database.app_url)
    nudger.nudge()
    await asyncio.sleep(delay)
    async with asyncio.timeout(20):
        await nudger.close()
