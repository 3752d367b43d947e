"""Builders for tests of the event path: events of entities, the outbox, messages, what arrived."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from psycopg.types.json import Jsonb

from bevyly.clock import FixedClock
from bevyly.db.leadership import leadership
from bevyly.events.bus import Publisher
from bevyly.events.envelope import Event, new_event
from bevyly.events.failpoints import VARIABLE
from bevyly.events.outbox import copy_to_outbox
from bevyly.ids import derived_id, new_id
from bevyly.settings import Settings
from pipelines.streams.relay import ROLE, Relay

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
CLOCK = FixedClock(NOW)

_IN_ORDER = """
select count(*) from (
  select sequence, lag(sequence) over (partition by customer_id, subject_id order by seq) as before from raw.events
) as steps where before >= sequence
"""


def call(tenant: str, opportunity: str, sequence: int = 1, **data: Any) -> Event:
    """A call about `opportunity`, as its `sequence`-th event."""
    return new_event(
        "call.completed",
        tenant_id=tenant,
        subject=("opportunity", opportunity),
        sequence=sequence,
        data={"activity_id": new_id(), "kind": "call", "direction": "outbound", "opportunity_id": opportunity} | data,
        clock=CLOCK,
    )


def change(tenant: str, opportunity: str, *, before: dict[str, Any], after: dict[str, Any]) -> Event:
    """A change of fields of `opportunity`."""
    return new_event(
        "opportunity.updated",
        tenant_id=tenant,
        subject=("opportunity", opportunity),
        sequence=2,
        data={"opportunity_id": opportunity, "before": before, "after": after},
        clock=CLOCK,
    )


def histories(tenants: list[str], *, entities: int, events: int) -> Iterator[Event]:
    """`events` events, dealt in turn to `entities` opportunities of each tenant, each with sequences from 1."""
    owners = [(tenant, derived_id(tenant, str(number))) for number in range(entities) for tenant in tenants]
    for number in range(events):
        tenant, opportunity = owners[number % len(owners)]
        yield call(tenant, opportunity, number // len(owners) + 1)


def fill_outbox(settings: Settings, events: Iterable[Event]) -> int:
    """Commit `events` to the outbox."""
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        return copy_to_outbox(connection, events)


@contextmanager
def leading(settings: Settings) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """The connection of the leading relay."""
    with leadership(settings.require_pipeline_database(), ROLE) as connection:
        assert connection is not None
        yield connection


def relay_all(settings: Settings, *, batch: int = 500) -> int:
    """Publish the outbox; how many events that were."""
    with leading(settings) as connection:
        return Relay(Publisher(settings), batch=batch).drain(connection, threading.Event())


@contextmanager
def relay_process(settings: Settings, *, failpoint: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A relay that runs as a process of its own; killed at the end."""
    with process_of(settings, "pipelines.streams.relay", failpoint=failpoint) as process:
        yield process


@contextmanager
def process_of(settings: Settings, module: str, *, failpoint: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """`module` as a process of its own; killed at the end."""
    environment = os.environ | {
        "DATABASE_URL": settings.require_database(),
        "KAFKA_BROKERS": settings.require_kafka(),
        VARIABLE: failpoint,
    }
    with subprocess.Popen([sys.executable, "-m", module], env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def relay_dies(settings: Settings, point: str) -> bool:
    """Whether a relay that runs as a process of its own is killed at the failpoint `point`."""
    return dies(settings, "pipelines.streams.relay", point)


def dies(settings: Settings, module: str, point: str) -> bool:
    """Whether `module`, as a process of its own, is killed at the failpoint `point`."""
    with process_of(settings, module, failpoint=point) as process:
        return process.wait(60) == -signal.SIGKILL


def send(settings: Settings, topic: str, *payloads: bytes, key: str = "k", partition: int = 0) -> None:
    """Put `payloads` on Kafka as they are."""
    producer = Producer({"bootstrap.servers": settings.require_kafka(), "acks": "all"})
    for payload in payloads:
        producer.produce(topic, payload, key, partition=partition)
    assert producer.flush(10) == 0


def messages(settings: Settings, topic: str, *, partitions: int = 1) -> list[Message]:
    """Everything on `topic`, by partition and offset."""
    consumer = Consumer(
        {"bootstrap.servers": settings.require_kafka(), "group.id": "test", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    found, ended = [], 0
    while ended < partitions:
        for message in consumer.consume(1000, 0.05):
            ended += message.error() is not None
            found += [message] if message.error() is None else []
    consumer.close()
    return sorted(found, key=lambda message: (message.partition(), message.offset()))


def count(settings: Settings, query: str = "select count(*) from raw.events") -> int:
    """The number that `query` gives."""
    with psycopg.connect(settings.require_database()) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])


def out_of_order(settings: Settings) -> int:
    """How many raw events arrived after a later event of the same subject."""
    return count(settings, _IN_ORDER)


def store(connection: psycopg.Connection[Any], events: Iterable[Event]) -> None:
    """`events` in `raw.events`, as the ingest leaves them."""
    with connection.cursor() as cursor:
        cursor.executemany(
            'insert into raw.events (customer_id, event_id, type, schema_version, subject_type, subject_id, sequence, '
            'occurred_at, recorded_at, data, source, topic, partition, "offset") '
            "values (%s, %s, %s, 1, %s, %s, %s, %s, %s, %s, 'test', 'bevyly.domain', 0, 0) on conflict do nothing",
            [
                (one.tenant_id, one.id, one.type, one.subject_type, one.subject_id, one.sequence, one.time,
                 one.recorded_time, Jsonb(one.data))
                for one in events
            ],
        )  # fmt: skip
