"""Whatever is killed on the way from the outbox to raw.events: every event arrives once, in the order of its entity."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
import pytest

from bevyly.events.envelope import Event
from bevyly.runtime.children import ChildProcess
from bevyly.runtime.kafka import EmbeddedKafka
from bevyly.settings import Settings
from pipelines.intake import drain
from pipelines.intake.lag import total_lag
from pipelines.streams.relay import BATCH
from tests.faults.conftest import BROKERS, Start
from tests.support.event_streams import count, fill_outbox, histories, messages, out_of_order, relay_all

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

EVENTS = 50_000
OUTBOX = "select count(*) from outbox"
RAW = "select count(*) from raw.events"
DETECTED = "select coalesce(sum(next_offset), 0) from raw.consumer_offsets where consumer_group = 'signal-detector'"


@dataclass
class Victim:
    """Something that dies whenever its progress passes the next of its points."""

    progress: Callable[[], int]
    kill: Callable[[], None]
    points: list[int]
    deaths: int = field(default=0)

    def maybe_dies(self) -> None:
        """Kill it if it got far enough."""
        if self.points and self.progress() >= self.points[0]:
            self.points.pop(0)
            self.kill()
            self.deaths += 1


def points(chance: random.Random, number: int) -> list[int]:
    """When to die, in events; early enough that work is left."""
    return sorted(chance.randrange(1, EVENTS * 8 // 10) for _ in range(number))


def restarted(child: ChildProcess) -> Callable[[], None]:
    def kill() -> None:
        child.kill()
        child.start()

    return kill


def crashed(broker: EmbeddedKafka) -> Callable[[], None]:
    def kill() -> None:
        broker.kill()
        broker.start()

    return kill


def arrived_once_and_in_order(settings: Settings, sent: list[Event]) -> None:
    with psycopg.connect(settings.require_database()) as connection:
        found = {row[0] for row in connection.execute("select event_id from raw.events").fetchall()}
    assert found == {event.id for event in sent}
    assert count(settings, RAW) == len(sent)
    assert out_of_order(settings) == 0


@pytest.mark.parametrize("broker", BROKERS, indirect=True)
def test_random_kills(
    settings: Settings, tenants: list[str], start: Start, broker: EmbeddedKafka, seed: random.Random
) -> None:
    sent = list(histories(tenants, entities=50, events=EVENTS))
    fill_outbox(settings, sent)
    relay = start("pipelines.streams.relay")
    ingest = start("pipelines.intake", "--follow")
    detector = start("pipelines.streams.signal_detector")
    victims = [
        Victim(lambda: EVENTS - count(settings, OUTBOX), restarted(relay), points(seed, 3)),
        Victim(lambda: count(settings, RAW), restarted(ingest), points(seed, 3)),
        Victim(lambda: count(settings, DETECTED), restarted(detector), points(seed, 2)),
        Victim(lambda: count(settings, RAW), crashed(broker), points(seed, 2)),
    ]
    deadline = time.monotonic() + 150
    while any(victim.points for victim in victims) or count(settings, RAW) < EVENTS or count(settings, OUTBOX):
        assert time.monotonic() < deadline, {"raw": count(settings, RAW), "outbox": count(settings, OUTBOX)}
        for victim in victims:
            victim.maybe_dies()

    assert [victim.deaths for victim in victims] == [3, 3, 2, 2]
    arrived_once_and_in_order(settings, sent)
    published = len(messages(settings, "bevyly.domain", partitions=6))
    assert EVENTS <= published <= EVENTS + BATCH * (victims[0].deaths + victims[3].deaths)


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
    assert time.monotonic() - began <= 15
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
