"""A broker with the topics of the catalogue for all tests of the event path, and a fresh database for each."""

from collections.abc import Iterator

import psycopg
import pytest

from bevyly.events.bus import make_consumer, partitions_of, watermarks
from bevyly.events.catalogue import topics
from bevyly.events.topics import create_topics
from bevyly.runtime.kafka import throwaway_kafka
from bevyly.settings import Settings
from tests.support.databases import Database

GROUPS = ("raw", "signal-detector", "briefing-keeper", "agent-trigger", "probe")


@pytest.fixture(scope="session")
def brokers() -> Iterator[str]:
    """Addresses of a broker that has the topics."""
    with throwaway_kafka() as broker:
        create_topics(Settings(kafka_brokers=broker.url))
        yield broker.url


@pytest.fixture
def settings(database: Database, brokers: str) -> Settings:
    """Settings that lead to a fresh database and the broker; consumers stand behind what earlier tests sent."""
    settings = Settings(database_url=database.owner_url, kafka_brokers=brokers)
    consumer = make_consumer(settings, group="setup")
    ends = [(one.topic, one.partition, watermarks(consumer, one)[1]) for one in partitions_of(consumer, topics())]
    consumer.close()
    with psycopg.connect(database.pipeline_url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into raw.consumer_offsets values (%s, %s, %s, %s, now())",
            [(group, *end) for group in GROUPS for end in ends],
        )
    return settings


@pytest.fixture
def tenants(database: Database) -> list[str]:
    """Two tenants."""
    return [database.add_tenant("ours"), database.add_tenant("theirs")]
