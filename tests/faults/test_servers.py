"""PostgreSQL that dies under writes, and a broker that is away for a while."""

import random
from time import sleep

import psycopg
import pytest

from tests.support.faults import Stage
from tests.support.faults_path import EventPath
from tests.support.faults_writer import Pace

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

DEATHS = 4
OUTAGE_SECONDS = 8.0
ENDLESS = 10**9
_PRESENT = "select event_id from outbox"
_FORGETFUL = ("synchronous_commit = off", "wal_writer_delay = '10s'", "wal_writer_flush_after = '1GB'")


def _acknowledged_and_lost(path: EventPath) -> tuple[int, int]:
    """How many events were acknowledged, and how many of them the outbox lacks."""
    sent = [line for writer in path.writers for line in writer.ledger.read_text().splitlines()]
    with psycopg.connect(path.stage.settings.require_database()) as connection:
        present = {row[0] for row in connection.execute(_PRESENT).fetchall()}
    return len(sent), sum(line[7:43] not in present for line in sent)


def _die_under_writes(stage: Stage, path: EventPath, chance: random.Random) -> None:
    path.write(Pace(ENDLESS))
    for _ in range(DEATHS):
        sleep(chance.uniform(0.3, 1.2))
        stage.postgres.kill()
        stage.postgres.start()
    sleep(0.5)
    path.stop_writing()


def test_postgres_dies_under_writes_and_keeps_what_it_acknowledged(seed: random.Random) -> None:
    with Stage(durable=True) as stage:
        path = EventPath(stage)
        _die_under_writes(stage, path, seed)
        sent, lost = _acknowledged_and_lost(path)
    assert sent > 100
    assert path.failed_commits().total() > 0
    assert lost == 0


def test_postgres_that_acknowledges_before_it_writes_loses_commits(seed: random.Random) -> None:
    with Stage(durable=True) as stage:
        path = EventPath(stage)
        with psycopg.connect(stage.postgres.url, autocommit=True) as connection:
            for setting in _FORGETFUL:
                connection.execute(f"alter system set {setting}")
            connection.execute("select pg_reload_conf()")
        _die_under_writes(stage, path, seed)
        sent, lost = _acknowledged_and_lost(path)
    assert 0 < lost < sent


def test_a_broker_that_is_away_stops_no_writer(seed: random.Random) -> None:
    with Stage() as stage:
        path = EventPath(stage, seed=seed.randrange(2**32))
        path.start(relays=1, streams=1)
        path.write(Pace(10_000, rate=1_000))
        sleep(1)
        stage.broker.kill()
        sleep(OUTAGE_SECONDS)
        stage.broker.start()
        verdict = path.finish()
        assert verdict.violations == {}, verdict
        assert path.failed_commits().total() == 0
        assert max(writer.commits.slowest for writer in path.writers) < OUTAGE_SECONDS / 2
        assert all(one.child.running() for one in stage.processes)
