"""Windows that are older than what a place remembers: it says so, and raises no false alarm."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka.cimpl import NewTopic

from bevyly.events.bus import make_admin, make_consumer, partitions_of, watermarks
from bevyly.events.catalogue import topics
from bevyly.ids import new_id
from bevyly.runtime.kafka import EmbeddedKafka
from bevyly.runtime.ports import free_port
from bevyly.settings import Settings
from pipelines.intake import drain
from tests.support.databases import Database
from tests.support.event_path import EventPath, start_behind
from tests.support.event_streams import call

KEPT_MILLISECONDS = 1_500


@pytest.fixture
def path(database: Database, tmp_path: Path) -> Iterator[EventPath]:
    """An event path whose broker forgets within seconds."""
    with EmbeddedKafka(tmp_path, free_port(), durable=False, upkeep_seconds=0.1) as broker:
        settings = Settings(database_url=database.owner_url, kafka_brokers=broker.url)
        config = {"retention.ms": str(KEPT_MILLISECONDS)}
        wanted = [NewTopic(name, num_partitions=1, replication_factor=1, config=config) for name in topics()]
        admin = make_admin(settings)
        for answer in admin.create_topics(wanted).values():
            answer.result()
        start_behind(settings, database.pipeline_url)
        yield EventPath(settings, [database.add_tenant("ours"), database.add_tenant("theirs")], datetime.now(UTC))


def forget(path: EventPath) -> None:
    """Wait until Kafka has forgotten what it holds."""
    consumer = make_consumer(path.settings, group="watch")
    deadline, pause = time.monotonic() + 20, threading.Event()
    while any(low < high for low, high in (watermarks(consumer, one) for one in partitions_of(consumer, topics()))):
        assert time.monotonic() < deadline
        pause.wait(0.1)
    consumer.close()


def test_what_kafka_has_forgotten_is_not_missing(path: EventPath) -> None:
    path.run(20)
    forget(path)
    path.run(10)
    found = path.reconcile()
    assert (found.proven, found.complete) == (True, False)
    assert (found.total("journal"), found.total("raw"), found.total("forgotten")) == (30, 30, 20)
    assert any(note.startswith("Kafka has forgotten what bevyly.domain held before") for note in found.notes)


def test_when_kafka_has_forgotten_all_it_says_so(path: EventPath) -> None:
    path.run(20)
    forget(path)
    found = path.reconcile()
    assert (found.proven, found.complete, found.total("forgotten")) == (True, False, 20)
    assert found.notes == ("Kafka has forgotten all that some partitions of bevyly.domain held.",)


def test_what_the_ingest_never_got_and_kafka_forgot_is_missing(path: EventPath) -> None:
    path.run(20)
    lost = [call(tenant, new_id()) for tenant in path.tenants]
    path.publish(*lost)
    forget(path)
    drain(path.settings)
    found = path.reconcile()
    assert {one.event_id for one in found.named("missing_in_raw")} == {event.id for event in lost}
