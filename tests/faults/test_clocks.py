"""Clocks that are wrong by ten minutes, each process in its own direction: order, effects and leases do not mind.

`libfaketime` sets the clock of one relay ahead, C libraries included. It does not reach the waits of the Kafka client
(C11 `cnd_timedwait`): with a clock that is behind they end before they begin, and a client cannot even be made; with
one that is ahead a consumer stands still. So the clocks of the other relay and of the consumers are shifted within
Python. Leases and times of rows are PostgreSQL's; waiting is the monotonic clock's.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from bevyly.clock import FixedClock
from bevyly.ids import new_id
from bevyly.runtime.waiting import wait_until
from bevyly.settings import Settings
from pipelines.intake import drain
from tests.support.event_streams import NOW, call, send
from tests.support.faults import ProcessVictim, Stage
from tests.support.faults_path import EventPath
from tests.support.faults_writer import Pace

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

MINUTES = 10
FAKETIME = shutil.which("faketime")
_FUTURE = "bevyly_ingested_from_the_future_total"


def _shifted(minutes: int) -> dict[str, str]:
    """The environment of a process whose wall clock is wrong."""
    libraries = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {
        "LD_PRELOAD": str(next(iter(libraries))),
        "FAKETIME": f"{minutes:+d}m",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


@pytest.fixture
def stage() -> Iterator[Stage]:
    if FAKETIME is None:
        pytest.skip("NOT TESTED: wrong clocks need `faketime` (Debian: apt-get install faketime)")
    with Stage(durable=False) as stage:
        yield stage


def test_the_clock_of_a_process_is_really_wrong(stage: Stage) -> None:
    program = "import time; print(time.time())"
    spec = stage.spec("clock", "unused", environment=_shifted(MINUTES))
    honest, shifted = (
        float(subprocess.check_output([sys.executable, "-c", program], env=environment, timeout=30))
        for environment in ({}, dict(spec.environment))
    )
    assert 60 * (MINUTES - 1) < shifted - honest < 60 * (MINUTES + 1)


def test_clocks_that_disagree_change_neither_order_nor_effects_nor_leases(stage: Stage) -> None:
    path = EventPath(stage)
    skewed = "tests.support.faults_skewed"
    leader = stage.add("relay-1", "pipelines.streams.relay", environment=_shifted(MINUTES))
    assert wait_until(lambda: _says(leader, "relay leads"), seconds=60)
    standby = stage.add("relay-2", skewed, str(-MINUTES), "pipelines.streams.relay")
    stage.add("ingest-1", skewed, str(-MINUTES), "pipelines.intake", "--follow")
    stage.add("detector-1", skewed, str(MINUTES), "pipelines.streams.signal_detector")
    stage.add("tally-1", skewed, str(-MINUTES), "tests.support.faults_tally")
    assert wait_until(lambda: _says(standby, "relay stands by"), seconds=60)
    path.write(Pace(6_000, rate=600))

    assert not wait_until(lambda: _says(standby, "relay leads"), seconds=2, poll=0.1)
    go_on = leader.pause()
    assert go_on is not None
    assert wait_until(lambda: _says(standby, "relay leads"), seconds=40, poll=0.1)
    go_on()

    verdict = path.finish()
    assert verdict.violations == {}, verdict
    assert all(one.child.running() for one in stage.processes)


def _says(relay: ProcessVictim, words: str) -> bool:
    return words in relay.child.spec.log.read_text()


def test_events_from_the_future_are_stored_and_flagged(settings: Settings, tenants: list[str]) -> None:
    flagged = REGISTRY.get_sample_value(_FUTURE) or 0.0
    event = call(tenants[0], new_id())
    send(settings, "bevyly.domain", event.to_json())
    assert drain(settings, clock=FixedClock(NOW - timedelta(minutes=MINUTES + 1))).rows == 1
    assert REGISTRY.get_sample_value(_FUTURE) == flagged + 1
