"""Deaths at named points, and a leader that stalls: every event arrives once, in the order of its entity.

Random points are the soak's (`test_soak`).
"""

import random
import signal
import time
from collections.abc import Callable

import psycopg
import pytest

from bevyly.events.envelope import Event
from bevyly.runtime.children import ChildProcess
from bevyly.settings import Settings
from pipelines.intake import drain
from pipelines.intake.lag import total_lag
from pipelines.streams.relay import BATCH
from tests.faults.conftest import Start
from tests.support.event_streams import count, fill_outbox, histories, out_of_order, relay_all

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

EVENTS = 50_000
OUTBOX = "select count(*) from outbox"
RAW = "select count(*) from raw.events"


def arrived_once_and_in_order(settings: Settings, sent: list[Event]) -> None:
    with psycopg.connect(settings.require_database()) as connection:
        found = {row[0] for row in connection.execute("select event_id from raw.events").fetchall()}
    assert found == {event.id for event in sent}
    assert count(settings, RAW) == len(sent)
    assert out_of_order(settings) == 0


@pytest.mark.parametrize("point", ["after_fetch:2", "after_produce:2", "after_flush:2", "before_commit:1"])
def test_a_relay_that_dies_at_a_point(settings: Settings, tenants: list[str], start: Start, point: str) -> None:
    sent = list(histories(tenants, entities=20, events=BATCH * 3))
    fill_outbox(settings, sent)
    assert _exit_code(start("pipelines.streams.relay", failpoint=point)) == -signal.SIGKILL
    assert count(settings, OUTBOX) > 0
    relay_all(settings)
    drain(settings)
    arrived_once_and_in_order(settings, sent)


@pytest.mark.parametrize("point", ["before_commit:1", "before_commit:2", "after_commit:1"])
def test_an_ingest_that_dies_at_a_point(settings: Settings, tenants: list[str], start: Start, point: str) -> None:
    sent = list(histories(tenants, entities=20, events=6_000))
    fill_outbox(settings, sent)
    relay_all(settings)
    assert _exit_code(start("pipelines.intake", failpoint=point)) == -signal.SIGKILL
    assert total_lag(settings) > 0
    assert drain(settings).duplicates == 0
    arrived_once_and_in_order(settings, sent)


def test_a_stalled_leader_is_followed_within_seconds(
    settings: Settings, tenants: list[str], start: Start, seed: random.Random
) -> None:
    sent = list(histories(tenants, entities=20, events=EVENTS))
    fill_outbox(settings, sent)
    stalled = start("pipelines.streams.relay")
    point = seed.randrange(1, EVENTS // 2)
    _until(lambda: EVENTS - count(settings, OUTBOX) >= point)
    process = stalled.identity.process() if stalled.identity else None
    assert process is not None
    process.suspend()
    left = count(settings, OUTBOX)
    began = time.monotonic()
    start("pipelines.streams.relay")
    _until(lambda: count(settings, OUTBOX) < left)
    assert time.monotonic() - began <= 30
    process.resume()
    _until(lambda: count(settings, OUTBOX) == 0)
    stalled.stop()
    drain(settings)
    arrived_once_and_in_order(settings, sent)


def _until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"


def _exit_code(child: ChildProcess) -> int | None:
    _until(lambda: not child.running())
    return child.exit_code
