"""A broker that may be killed, a database, and the processes of the event path."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bevyly.events.failpoints import VARIABLE
from bevyly.events.topics import create_topics
from bevyly.runtime.children import ChildProcess, ProcessSpec
from bevyly.runtime.kafka import EmbeddedKafka
from bevyly.runtime.ports import free_port
from bevyly.settings import Settings
from tests.support.databases import Database
from tests.support.kafka_reference import ApacheKafka, missing_tools

Start = Callable[..., ChildProcess]
BROKERS = [EmbeddedKafka, pytest.param(ApacheKafka, marks=pytest.mark.kafka)]


@pytest.fixture
def seed() -> random.Random:
    """Chance that can be repeated: the seed is printed, and taken from FAULT_SEED where that is set."""
    value = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(2**32))
    sys.stdout.write(f"FAULT_SEED={value}\n")
    return random.Random(value)


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of this test's own, with data that survives its death; its class is the parameter."""
    kind: type[EmbeddedKafka] = getattr(request, "param", EmbeddedKafka)
    if kind is ApacheKafka and missing_tools():
        pytest.skip(f"Apache Kafka needs {' and '.join(missing_tools())}, which this machine lacks")
    with kind(tmp_path / "kafka", free_port()) as server:
        yield server


@pytest.fixture
def settings(database: Database, broker: EmbeddedKafka) -> Settings:
    """Settings that lead to both; the topics exist."""
    settings = Settings(database_url=database.owner_url, kafka_brokers=broker.url)
    create_topics(settings)
    return settings


@pytest.fixture
def tenants(database: Database) -> list[str]:
    """Three tenants."""
    return [database.add_tenant(name) for name in ("one", "two", "three")]


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Start a module of ours as a process; what still runs at the end is stopped."""
    started: list[ChildProcess] = []

    def run(module: str, *arguments: str, failpoint: str = "") -> ChildProcess:
        environment = {
            "DATABASE_URL": settings.require_database(),
            "KAFKA_BROKERS": settings.require_kafka(),
            VARIABLE: failpoint,
        }
        log = tmp_path / f"{module}.log"
        argv = (sys.executable, "-m", module, *arguments)
        child = ChildProcess(ProcessSpec(name=module, argv=argv, log=log, environment=environment))
        child.start()
        started.append(child)
        return child

    yield run
    for child in started:
        child.stop()
