"""Rows of raw.events: what we encode is what PostgreSQL reads, new events are appended, repeats are merged."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import msgspec
import psycopg
import pytest
from confluent_kafka import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bevyly.events.envelope import Event
from bevyly.ids import new_id
from pipelines.intake import rows
from pipelines.intake.messages import Incoming
from tests.support.databases import Database
from tests.support.event_streams import call

Connection = psycopg.Connection[tuple[Any, ...]]

TENANT = new_id()
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=60)
ZONES = st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=ZONES)  # noqa: DTZ001 - the zone is drawn
EVENTS = st.builds(
    Event,
    id=st.uuids().map(str),
    type=st.sampled_from(["call.completed", "lead.updated"]),
    source=TEXT,
    subject=st.from_regex(r"[a-z_]{1,50}/[0-9A-Za-z_.-]{1,36}", fullmatch=True),
    tenant_id=st.just(TENANT),
    sequence=st.integers(0, 2**63 - 1),
    time=INSTANTS,
    recorded_time=INSTANTS,
    data=st.dictionaries(TEXT, TEXT | st.integers(-(2**53), 2**53) | st.none() | st.booleans(), max_size=4),
    schema_version=st.integers(1, 32_767),
    causation_id=st.none() | TEXT,
    correlation_id=st.none() | TEXT,
)


class Place:
    """The part of a Kafka message that a row holds."""

    def __init__(self, topic: str, partition: int, offset: int) -> None:
        self._place = (topic, partition, offset)

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._place[2]


def incoming(event: Event, *, offset: int = 0) -> Incoming:
    place = cast(Message, Place("bevyly.domain", 3, offset))
    return Incoming(place, event, msgspec.json.encode(event.data))


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with psycopg.connect(database.pipeline_url, autocommit=True) as connection:
        rows.prepare(connection)
        yield connection


def stored(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("""
        select customer_id, event_id, type, schema_version, subject_type || '/' || subject_id, sequence, occurred_at,
               recorded_at, data, source, causation_id, correlation_id, topic, partition, "offset"
        from raw.events order by seq
    """).fetchall()


def said(event: Event, offset: int) -> tuple[Any, ...]:
    return (
        event.tenant_id, event.id, event.type, event.schema_version, event.subject, event.sequence, event.time,
        event.recorded_time, event.data, event.source, event.causation_id, event.correlation_id, "bevyly.domain",
        3, offset,
    )  # fmt: skip


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, min_size=1, max_size=5, unique_by=lambda event: event.id), offset=st.integers(0, 2**62))
def test_whatever_an_event_says_is_read_back(connection: Connection, events: list[Event], offset: int) -> None:
    connection.execute("truncate raw.events")
    assert rows.append(connection, [incoming(event, offset=offset) for event in events]) == len(events)
    assert stored(connection) == [said(event, offset) for event in events]


def test_merging_stores_the_new_ones_in_their_order(connection: Connection) -> None:
    events = [call(TENANT, new_id(), number) for number in range(200)]
    rows.append(connection, map(incoming, events[50:100]))
    with pytest.raises(rows.RepeatedEvent):
        rows.append(connection, map(incoming, events))
    with connection.transaction():
        assert rows.merge(connection, map(incoming, [*events, *events[:10]])) == 150
    found = [row[1] for row in stored(connection)]
    assert found == [event.id for event in [*events[50:100], *events[:50], *events[100:]]]


def test_nothing_is_stored_of_nothing(connection: Connection) -> None:
    assert rows.append(connection, []) == rows.merge(connection, []) == 0
    assert stored(connection) == []


def test_one_event_id_may_be_known_to_two_tenants(connection: Connection) -> None:
    ours = call(TENANT, new_id())
    theirs = msgspec.structs.replace(ours, tenant_id=new_id())
    assert rows.append(connection, [incoming(ours), incoming(theirs)]) == 2
    assert rows.known_tenants(connection, [TENANT]) == set()
    assert {row[0] for row in stored(connection)} == {ours.tenant_id, theirs.tenant_id}


def test_instants_are_kept_to_the_microsecond(connection: Connection) -> None:
    at = datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)
    event = msgspec.structs.replace(call(TENANT, new_id()), time=at)
    rows.append(connection, [incoming(event)])
    assert stored(connection)[0][6] == at
