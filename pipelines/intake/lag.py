"""Lag: how many messages Kafka holds that a consumer group has not applied."""

import psycopg

from bevyly.events.bus import make_consumer, partitions_of, watermarks
from bevyly.events.catalogue import topics
from bevyly.settings import Settings
from pipelines.intake.ingest import GROUP
from pipelines.intake.offsets import Partition, stored


def lag(
    settings: Settings, address: str | None = None, *, group: str = GROUP, timeout: float = 10.0
) -> dict[Partition, int]:
    """Messages that wait for `group` in every partition; raises `BrokerUnavailable` or psycopg's errors."""
    consumer = make_consumer(settings, group="bevyly-lag")
    try:
        ends = {
            Partition(found.topic, found.partition): watermarks(consumer, found, timeout=timeout)
            for found in partitions_of(consumer, topics(), timeout=timeout)
        }
    finally:
        consumer.close()
    with psycopg.connect(address or settings.require_pipeline_database(), connect_timeout=5) as connection:
        positions = stored(connection, group)
    return {key: high - max(low, positions.get(key, low)) for key, (low, high) in ends.items()}


def total_lag(settings: Settings, address: str | None = None, *, group: str = GROUP, timeout: float = 10.0) -> int:
    """Messages that wait for `group` in all partitions together."""
    return sum(lag(settings, address, group=group, timeout=timeout).values())
