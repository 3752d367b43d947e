"""Kafka into raw.events: once each, in order, whatever arrives."""

import threading

import msgspec
import psycopg
import pytest
from pydantic import SecretStr

from bevyly.db.leadership import leadership
from bevyly.encryption import new_key
from bevyly.events import dead_letters
from bevyly.events.bus import BrokerUnavailable
from bevyly.events.envelope import MAX_EVENT_BYTES
from bevyly.ids import new_id
from bevyly.privacy.marks import Marks
from bevyly.settings import Settings
from pipelines.intake import drain
from pipelines.intake.lag import total_lag
from pipelines.intake.offsets import OffsetsMoved, Partition, move
from tests.support.databases import Database
from tests.support.event_streams import call, count, fill_outbox, histories, messages, out_of_order, relay_all, send


def test_events_of_all_tenants_arrive_once_and_in_order(settings: Settings, tenants: list[str]) -> None:
    fill_outbox(settings, histories(tenants, entities=7, events=900))
    assert relay_all(settings) == 900
    assert count(settings, "select count(*) from outbox") == 0
    assert total_lag(settings) == 900

    first = drain(settings)
    again = drain(settings)

    assert (first.rows, first.duplicates, first.dead_letters, first.ended) == (900, 0, 0, "drained")
    assert (again.rows, again.ended) == (0, "drained")
    assert total_lag(settings) == 0
    assert count(settings, "select count(distinct (customer_id, subject_id)) from raw.events") == 14
    assert out_of_order(settings) == 0


def test_rows_hold_what_the_events_said(settings: Settings, tenants: list[str]) -> None:
    event = call(tenants[0], new_id(), 3, subject="Ünï \\ \t \n 'quoted'", custom={"a": [1, None, "x"]})
    event = msgspec.structs.replace(event, correlation_id="req-1")
    fill_outbox(settings, [event])
    relay_all(settings)
    drain(settings)
    with psycopg.connect(settings.require_database()) as connection:
        row = connection.execute("""
            select customer_id, event_id, type, schema_version, subject_type, subject_id, sequence, occurred_at,
                   recorded_at, data, source, causation_id, correlation_id, topic, "offset" >= 0 from raw.events
        """).fetchone()
    assert row == (
        event.tenant_id, event.id, event.type, 1, "opportunity", event.subject_id, 3, event.time, event.recorded_time,
        event.data, event.source, None, "req-1", "bevyly.domain", True,
    )  # fmt: skip


def test_an_event_of_somebody_who_was_erased_lands_without_them(settings: Settings, tenants: list[str]) -> None:
    key, gone = new_key(), new_id()
    settings = settings.model_copy(update={"encryption_keys": SecretStr(key)})
    events = [call(tenant, new_id(), subject="Hi", contact_id=gone) for tenant in tenants]
    events = [msgspec.structs.replace(event, subject=f"activity/{event.data['activity_id']}") for event in events]
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        mark = (tenants[0], Marks([key]).mark(tenants[0], gone), events[0].recorded_time)
        connection.execute("insert into erased_marks values (%s, %s, %s)", mark)
    fill_outbox(settings, events)
    relay_all(settings)
    assert drain(settings).rows == 2
    with psycopg.connect(settings.require_database()) as connection:
        landed = dict(connection.execute("select customer_id, data from raw.events").fetchall())
    assert landed[tenants[0]].keys() == {"activity_id", "kind", "direction", "opportunity_id"}
    assert landed[tenants[1]] == events[1].data, "the control: another tenant's contact is another one"


def test_repeated_events_change_nothing(settings: Settings, tenants: list[str]) -> None:
    events = list(histories(tenants, entities=3, events=60))
    for _ in range(3):
        fill_outbox(settings, events)
    relay_all(settings)
    result = drain(settings)
    assert (result.rows, result.duplicates) == (60, 120)
    assert out_of_order(settings) == 0


def test_reading_everything_again_changes_nothing(settings: Settings, tenants: list[str]) -> None:
    fill_outbox(settings, histories(tenants, entities=3, events=60))
    relay_all(settings)
    state = "select md5(string_agg(e::text, '' order by seq))::uuid::text from raw.events e"
    with psycopg.connect(settings.require_database(), autocommit=True) as connection:
        connection.execute("create table beginning as select * from raw.consumer_offsets")
        drain(settings)
        before = connection.execute(state).fetchone()
        connection.execute("delete from raw.consumer_offsets; insert into raw.consumer_offsets table beginning")
        result = drain(settings)
        assert connection.execute(state).fetchone() == before
    assert (result.rows, result.duplicates) == (0, 60)


POISON = {
    "bad_json": b'{"specversion":',
    "bad_envelope": b'{"specversion":"1.0"}',
    "empty": b"",
    "too_large": b'"' + b"x" * MAX_EVENT_BYTES + b'"',
}


def poisoned(event_json: bytes) -> dict[str, bytes]:
    """What a healthy event becomes when one thing about it is wrong, by the code of its dead letter."""

    def swap(old: bytes, new: bytes) -> bytes:
        assert old in event_json
        return event_json.replace(old, new, 1)

    return POISON | {
        "bad_json": swap(b'"kind":"call"', b'"kind":"\\ud800"'),
        "nul_character": swap(b'"data":{', b'"data":{"custom":{"k":"\\u0000"},'),
        "unknown_event_type": swap(b"call.completed", b"call.forgotten"),
        "unknown_schema_version": swap(b'"schemaversion":1', b'"schemaversion":9'),
        "contract_violation": swap(b'"kind":"call"', b'"kind":"shout"'),
        "too_deep": swap(b'"data":{', b'"data":{"custom":{"k":' + b"[" * 10_000 + b"]" * 10_000 + b"},"),
    }


def test_what_is_no_event_becomes_a_dead_letter_with_its_reason(settings: Settings, tenants: list[str]) -> None:
    bad = poisoned(call(tenants[0], new_id()).to_json())
    bad["wrong_topic"] = _calendar(tenants[0])
    bad["unknown_tenant"] = call(new_id(), new_id()).to_json()
    healthy = [call(tenants[0], new_id()).to_json() for _ in range(2)]
    send(settings, "bevyly.domain", healthy[0], *bad.values(), healthy[1], key=tenants[0])

    result = drain(settings)

    assert (result.rows, result.dead_letters, result.ended) == (2, len(bad), "drained")
    letters = messages(settings, "bevyly.domain.dlq")[-len(bad) :]
    by_code = {dict(letter.headers() or [])["error-code"].decode(): letter for letter in letters}
    assert by_code.keys() == bad.keys()
    first = min(int(dict(letter.headers() or [])["origin-offset"]) for letter in letters)
    for offset, (code, payload) in enumerate(bad.items(), start=first):
        headers = {key: value.decode() for key, value in by_code[code].headers() or []}
        assert (by_code[code].value() or b"") == payload
        assert headers["origin-topic"] == "bevyly.domain"
        assert headers["origin-partition"] == "0"
        assert headers["origin-offset"] == str(offset)
        assert headers["consumer"] == "raw"
        assert headers["tries"] == "1"
        assert headers["reason"]


def _calendar(tenant: str) -> bytes:
    event = call(tenant, new_id())
    return msgspec.structs.replace(
        event, type="calendar.synced", data={"user_id": new_id(), "provider": "google"}
    ).to_json()


def test_a_dead_letter_comes_before_the_offset_moves(
    settings: Settings, tenants: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    send(settings, "bevyly.domain", b"nonsense", call(tenants[0], new_id()).to_json())
    with monkeypatch.context() as patch:

        def broken(*_: object, **__: object) -> None:
            raise BrokerUnavailable("away")

        patch.setattr(dead_letters, "publish", broken)
        with pytest.raises(BrokerUnavailable):
            drain(settings)
    assert count(settings) == 0
    assert total_lag(settings) == 2
    assert drain(settings).dead_letters == 1
    assert count(settings) == 1


def test_a_second_ingest_says_that_one_runs(settings: Settings, tenants: list[str]) -> None:
    fill_outbox(settings, [call(tenants[0], new_id())])
    relay_all(settings)
    with leadership(settings.require_pipeline_database(), "ingest"):
        assert drain(settings).ended == "busy"
    assert drain(settings).rows == 1


def test_a_limit_is_kept_and_the_next_run_goes_on(settings: Settings, tenants: list[str]) -> None:
    fill_outbox(settings, histories(tenants, entities=5, events=250))
    relay_all(settings)
    first = drain(settings, max_events=100)
    assert (first.rows, first.ended) == (100, "limit")
    # PostgreSQL lets go of the leadership when it notices that its holder is gone
    while (following := drain(settings)).ended == "busy":
        pass
    assert following.rows == 150
    assert out_of_order(settings) == 0


def test_a_stop_is_heard(settings: Settings) -> None:
    stop = threading.Event()
    stop.set()
    assert drain(settings, stop=stop).ended == "stopped"


def test_offsets_that_moved_fence_the_late_one_off(database: Database) -> None:
    key = Partition("bevyly.domain", 0)
    with psycopg.connect(database.pipeline_url, autocommit=True) as connection:
        connection.execute("insert into raw.consumer_offsets values ('raw', 'bevyly.domain', 0, 10, now())")
        move(connection, "raw", {key: (10, 20)})
        with pytest.raises(OffsetsMoved):
            move(connection, "raw", {key: (10, 20)})
        with pytest.raises(OffsetsMoved):
            move(connection, "raw", {key: (20, 30), Partition("bevyly.domain", 1): (0, 1)})


def test_a_position_that_kafka_does_not_know_starts_at_the_oldest_message(
    settings: Settings, tenants: list[str]
) -> None:
    fill_outbox(settings, [call(tenants[0], new_id())])
    relay_all(settings)
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        connection.execute("update raw.consumer_offsets set next_offset = 1000000")
    assert drain(settings).rows == 1
    assert total_lag(settings) == 0


def test_no_broker_is_one_sentence(database: Database) -> None:
    settings = Settings(database_url=database.owner_url, kafka_brokers="127.0.0.1:1")
    with pytest.raises(BrokerUnavailable, match="Kafka does not answer"):
        total_lag(settings, timeout=1.0)
