"""A bounded soak in every run: all that can die does, on both brokers; and a control that the verdict can be bad."""

import random

import pytest

from bevyly.runtime.waiting import wait_until
from tests.faults.soak import Outcome, Plan, report, soak
from tests.support.faults import Stage
from tests.support.faults_path import EventPath
from tests.support.faults_writer import Pace
from tests.support.kafka_reference import missing_tools

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


def _soak(plan: Plan, capsys: pytest.CaptureFixture[str]) -> Outcome:
    outcome = soak(plan)
    with capsys.disabled():
        print(f"\n{report(outcome)}")  # noqa: T201 - the seed, to repeat it
    return outcome


def test_random_kills(seed: random.Random, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = _soak(Plan(events=15_000, kills=10, seed=seed.randrange(2**32)), capsys)
    assert outcome.passed, report(outcome)
    assert {"relay", "ingest", "broker", "postgres"} <= {name.partition("@")[0] for name in outcome.kills}


@pytest.mark.kafka
def test_random_kills_around_apache_kafka(seed: random.Random, capsys: pytest.CaptureFixture[str]) -> None:
    if missing_tools():
        pytest.skip(f"Apache Kafka needs {' and '.join(missing_tools())}, which this machine lacks")
    outcome = _soak(Plan(broker="apache", events=8_000, kills=8, seed=seed.randrange(2**32)), capsys)
    assert outcome.passed, report(outcome)
    assert outcome.kills.get("broker")


def test_an_ingest_without_its_guard_fails_the_verdict() -> None:
    with Stage(durable=False) as stage:
        path = EventPath(stage)
        unguarded = next(one for one in path.start(ingest="tests.support.faults_unguarded") if one.kind == "ingest")
        path.write(Pace(6_000, rate=1_500))
        assert wait_until(unguarded.died_by_itself, seconds=60)
        stage.add("ingest-2", "pipelines.intake", "--follow")
        verdict = path.finish()
    assert verdict.lost
    assert verdict.unproven >= verdict.lost
    assert not verdict.effects_wrong
