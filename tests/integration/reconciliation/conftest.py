"""A broker for all tests of reconciliation, a fresh database for each, and the moment at which the test began."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from bevyly.events.topics import create_topics
from bevyly.runtime.kafka import throwaway_kafka
from bevyly.settings import Settings
from tests.support.databases import Database
from tests.support.event_path import EventPath, start_behind


@pytest.fixture(scope="session")
def brokers() -> Iterator[str]:
    """Addresses of a broker that has the topics."""
    with throwaway_kafka() as broker:
        create_topics(Settings(kafka_brokers=broker.url))
        yield broker.url


@pytest.fixture
def path(database: Database, brokers: str) -> EventPath:
    """Two tenants, a fresh database, and a broker on which earlier tests have left messages."""
    settings = Settings(database_url=database.owner_url, kafka_brokers=brokers)
    start_behind(settings, database.pipeline_url)
    tenants = [database.add_tenant("ours"), database.add_tenant("theirs")]
    return EventPath(settings, tenants, datetime.now(UTC))
