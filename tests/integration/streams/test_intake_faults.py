"""The ingest when something is wrong: with a message, its sender, the deployment, the clock, with Kafka."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from confluent_kafka import KafkaError, Producer, TopicPartition
from prometheus_client import REGISTRY

from bevyly.clock import FixedClock
from bevyly.events import contracts
from bevyly.events.bus import BrokerUnavailable, watermarks
from bevyly.events.contracts import ContractViolation
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.dead_letters.limit import TooManyDeadLetters, release
from pipelines.intake import GROUP, drain, reading, rows
from pipelines.intake import ingest as ingest_module
from pipelines.intake.lag import total_lag
from pipelines.intake.messages import Incoming
from pipelines.intake.offsets import Partition
from pipelines.intake.reading import Reader, ingest_consumer
from tests.support.databases import Database
from tests.support.event_streams import (
    NOW,
    call,
    count,
    fill_outbox,
    histories,
    messages,
    out_of_order,
    relay_all,
    send,
)

LETTERS = "select count(*) from raw.dead_letters where consumer = 'raw' and status = 'open'"
HALTS = "select count(*) from raw.consumer_halts where consumer = 'raw' and released_at is null"


@pytest.fixture
def stored_by(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way each batch went: `append` or `merge`."""
    ways: list[str] = []

    def watched(name: str, way: Callable[..., int]) -> Callable[..., int]:
        def store(connection: Any, events: Iterable[Incoming]) -> int:
            ways.append(name)
            return way(connection, events)

        return store

    for name in ("append", "merge"):
        monkeypatch.setattr(rows, name, watched(name, getattr(rows, name)))
    return ways


def publish(settings: Settings, events: Iterable[Event]) -> None:
    fill_outbox(settings, events)
    relay_all(settings)


def test_a_bad_deployment_halts_and_loses_nothing(
    settings: Settings, tenants: list[str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(settings, histories(tenants, entities=3, events=100))
    letters_before = len(messages(settings, "bevyly.domain.dlq"))

    def strict(_event: Event) -> bytes:
        raise ContractViolation("we forgot a field", path="data")

    with monkeypatch.context() as patch:
        patch.setattr(contracts, "validate", strict)
        with pytest.raises(TooManyDeadLetters, match="we forgot a field"):
            drain(settings)
        with pytest.raises(TooManyDeadLetters, match="halted"):
            drain(settings)
    assert (total_lag(settings), count(settings, LETTERS), count(settings, HALTS)) == (100, 0, 1)
    assert len(messages(settings, "bevyly.domain.dlq")) == letters_before

    with psycopg.connect(database.pipeline_url) as connection:
        assert release(connection, GROUP)
    assert drain(settings).rows == 100
    assert out_of_order(settings) == 0


def test_a_sender_of_rubbish_halts_nobody(settings: Settings, tenants: list[str]) -> None:
    send(settings, "bevyly.domain", *[b"rubbish"] * 50, *[call(new_id(), new_id()).to_json()] * 50)
    send(settings, "bevyly.domain", call(tenants[0], new_id()).to_json(), partition=1)
    result = drain(settings)
    assert (result.rows, result.dead_letters) == (1, 100)
    assert (count(settings, LETTERS), count(settings, HALTS)) == (100, 0)


def test_an_event_that_does_not_fit_holds_up_nobody(settings: Settings, tenants: list[str]) -> None:
    events = list(histories(tenants, entities=3, events=60))
    events[30] = msgspec.structs.replace(events[30], source="a name that is too long for this column")
    with psycopg.connect(settings.require_database()) as connection:
        connection.execute("alter table raw.events alter column source type varchar(12)")
    publish(settings, [events[3], *events])
    result = drain(settings)
    assert (result.rows, result.duplicates, result.dead_letters) == (59, 1, 1)
    assert count(settings, LETTERS + " and code = 'unstorable' and reason like 'value too long%'") == 1
    assert out_of_order(settings) == 0


def test_letters_go_with_the_offsets_or_not_at_all(
    settings: Settings, tenants: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    send(settings, "bevyly.domain", b"rubbish", call(tenants[0], new_id()).to_json())
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.intake.writing.move", _away)
        with pytest.raises(BrokerUnavailable):
            drain(settings)
    assert (count(settings), count(settings, LETTERS)) == (0, 0)
    assert drain(settings).dead_letters == 1
    assert (count(settings), count(settings, LETTERS)) == (1, 1)


def _away(*_: object) -> None:
    raise BrokerUnavailable("away")


def test_repeats_are_expected_until_a_batch_has_none(
    settings: Settings, tenants: list[str], stored_by: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_module, "BATCH", 50)
    old, new = (list(histories([tenant], entities=1, events=100)) for tenant in tenants)
    publish(settings, old[:1])
    drain(settings)
    stored_by.clear()
    publish(settings, old)
    publish(settings, [msgspec.structs.replace(event, tenant_id=tenants[0]) for event in new])
    result = drain(settings)
    assert (result.rows, result.duplicates) == (199, 1)
    # strangers first: the first batch finds its tenant while rows are on their way
    assert stored_by == ["append", "append", "merge", "merge", "append", "append"]


def test_a_tenant_that_appears_on_the_way_is_met_in_order(
    settings: Settings, tenants: list[str], database: Database
) -> None:
    publish(settings, histories(tenants, entities=2, events=40))
    drain(settings)
    newcomers = [database.add_tenant("new"), database.add_tenant("newer")]
    publish(settings, histories([*tenants, *newcomers], entities=3, events=200))
    result = drain(settings)
    assert (result.rows, result.dead_letters) == (200, 0)
    assert count(settings, "select count(distinct customer_id) from raw.events") == 4


def measured(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def from_the_future() -> float:
    return measured("bevyly_ingested_from_the_future_total")


def test_events_from_the_future_are_stored_and_counted(settings: Settings, tenants: list[str]) -> None:
    now = FixedClock(NOW)
    ahead = [
        msgspec.structs.replace(call(tenants[0], new_id()), time=NOW + timedelta(minutes=minutes))
        for minutes in (-10, 0, 9, 11, 60)
    ]
    before = from_the_future()
    publish(settings, ahead)
    assert drain(settings, clock=now).rows == 5
    assert from_the_future() - before == 2


def test_the_ingest_tells_how_much_it_took_and_how_much_waits(settings: Settings, tenants: list[str]) -> None:
    partition = {"topic": "bevyly.domain", "partition": "4"}
    send(settings, "bevyly.domain", *[call(tenants[0], new_id()).to_json() for _ in range(30)], partition=4)
    names = ("bevyly_ingest_batch_events_count", "bevyly_ingest_batch_events_sum", "bevyly_ingest_batch_seconds_count")
    before = [measured(name) for name in names]
    drain(settings, max_events=10)
    assert [measured(name) - was for name, was in zip(names, before, strict=True)] == [1, 10, 1]
    assert measured("bevyly_ingest_lag", **partition) == 20
    assert 0 <= measured("bevyly_ingest_newest_age_seconds") < 60
    drain(settings)
    assert measured("bevyly_ingest_lag", **partition) == 0


def test_five_megabytes_are_refused_or_set_aside(settings: Settings, tenants: list[str]) -> None:
    refused: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": settings.require_kafka(), "message.max.bytes": 6_000_000})
    producer.produce("bevyly.domain", b"x" * 5_000_000, on_delivery=lambda error, _: refused.append(error))
    assert producer.flush(10) == 0
    assert [error and error.code() for error in refused] == [KafkaError.MSG_SIZE_TOO_LARGE]

    send(settings, "bevyly.domain", b"[" + b"0," * 299_999 + b"0]", call(tenants[0], new_id()).to_json())
    result = drain(settings)
    assert (result.rows, result.dead_letters) == (1, 1)
    assert count(settings, "select length(payload) from raw.dead_letters where code = 'too_large'") == 600_001


@pytest.fixture
def reader_at(settings: Settings) -> Iterator[Callable[[int], Reader]]:
    """A reader of one partition, so far from the end that it had when the test began."""
    with closing(ingest_consumer(settings, "probe")) as consumer:
        key = Partition("bevyly.domain", 0)

        def make(distance: int) -> Reader:
            _, end = watermarks(consumer, TopicPartition(*key))
            return Reader(consumer, {key: end + distance})

        yield make


def test_a_gap_in_the_log_is_never_jumped_over(reader_at: Callable[[int], Reader]) -> None:
    reader = reader_at(1_000_000)
    with pytest.raises(BrokerUnavailable, match="Kafka"):
        for _ in range(20):
            reader.read(10)


def test_a_batch_ends_before_it_fills_the_memory(
    settings: Settings, reader_at: Callable[[int], Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH_BYTES", 1_000_000)
    monkeypatch.setattr(reading, "CHUNK", 3)
    reader = reader_at(0)
    send(settings, "bevyly.domain", *[b"x" * 400_000] * 10)
    sizes = []
    while sum(sizes) < 10:
        sizes.append(len(reader.read(100).messages))
        assert len(sizes) < 50
    assert max(sizes) <= 5
