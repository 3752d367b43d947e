"""A healthy run is proven, each kind of damage is found and named, and what is on its way is not missing."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bevyly.errors import Invalid
from bevyly.ids import new_id
from pipelines.intake import drain, follow
from pipelines.reconciliation import Reconciliation, reconcile, tables
from pipelines.reconciliation.result import KINDS
from pipelines.streams.relay import run as run_relay
from tests.support.event_path import EventPath, at_work
from tests.support.event_streams import call, fill_outbox, relay_all, send


def damage(found: Reconciliation) -> dict[str, set[str | None]]:
    """Ids of the events of each kind of damage, where any."""
    ids = {kind: {one.event_id for one in found.named(kind)} for kind in KINDS}
    assert {kind: len(found.named(kind)) for kind in KINDS} == {kind: found.total(kind) for kind in KINDS}
    return {kind: names for kind, names in ids.items() if names}


def test_a_healthy_run_is_proven_per_tenant_and_day(path: EventPath) -> None:
    path.run(60)
    found = path.reconcile()
    assert (found.proven, found.complete, found.settled, found.findings) == (True, True, True, ())
    assert [(row.customer_id, row.tenant, row.day) for row in found.rows] == [
        (path.tenants[0], "ours", path.began.date()),
        (path.tenants[1], "theirs", path.began.date()),
    ]
    assert {(row.journal, row.kafka, row.raw, row.repeats, row.waiting) for row in found.rows} == {(30, 30, 30, 0, 0)}


def test_one_tenant_alone(path: EventPath) -> None:
    events = path.run(60)
    stolen = next(event for event in events if event.tenant_id == path.tenants[1])
    path.execute("delete from raw.events where event_id = %s", (stolen.id,))
    ours, theirs = (path.reconcile(tenant=tenant) for tenant in path.tenants)
    assert ours.proven
    assert [row.customer_id for row in ours.rows] == [path.tenants[0]]
    assert damage(theirs) == {"missing_in_raw": {stolen.id}}
    assert [row.customer_id for row in theirs.rows] == [path.tenants[1]]


def test_a_row_that_raw_events_lost_is_named(path: EventPath) -> None:
    lost = path.run()[7]
    path.execute("delete from raw.events where event_id = %s", (lost.id,))
    found = path.reconcile()
    assert damage(found) == {"missing_in_raw": {lost.id}}
    assert {(one.customer_id, one.detail) for one in found.missing} == {(lost.tenant_id, "on Kafka, not in raw events")}


def test_a_row_that_the_journal_lost_is_named(path: EventPath) -> None:
    path.run(10)
    lost = path.run(60)[7]
    assert path.execute("delete from event_journal where event_id = %s", (lost.id,)) == 1
    found = path.reconcile()
    assert damage(found) == {"unknown_origin": {lost.id}}
    assert [one.detail for one in found.unknown] == ["on Kafka and in raw events, not in the journal"]


def test_a_message_that_kafka_lost_is_named(path: EventPath) -> None:
    path.run()
    event = call(path.tenants[0], new_id())
    fill_outbox(path.settings, [event])
    path.execute("""
        with moved as (delete from outbox returning *)
        insert into event_journal (published_at, position, customer_id, event_id, topic, key, envelope, created_at)
        select now(), position, customer_id, event_id, topic, customer_id, envelope, created_at from moved
    """)
    found = path.reconcile()
    assert damage(found) == {"missing_in_raw": {event.id}, "missing_on_kafka": {event.id}}
    assert {one.detail for one in found.missing} == {"in the journal alone"}


def test_a_message_that_came_twice_is_a_harmless_repeat(path: EventPath) -> None:
    event = path.run()[0]
    send(path.settings, "bevyly.domain", event.to_json(), event.to_json(), key=event.tenant_id)
    drain(path.settings)
    found = path.reconcile()
    assert found.proven
    assert {row.customer_id: row.repeats for row in found.rows} == {path.tenants[0]: 2, path.tenants[1]: 0}


def test_an_event_of_two_tenants_is_doubled(path: EventPath) -> None:
    event = path.run()[0]
    path.execute(
        """
        insert into raw.events (customer_id, event_id, type, schema_version, subject_type, subject_id, sequence,
          occurred_at, recorded_at, data, source, topic, partition, "offset")
        select %s, event_id, type, schema_version, subject_type, subject_id, sequence, occurred_at, recorded_at, data,
          source, topic, partition, "offset" from raw.events where event_id = %s
        """,
        (path.tenants[1], event.id),
    )
    found = path.reconcile()
    assert damage(found) == {"doubled": {event.id}, "unknown_origin": {event.id}}
    assert {one.customer_id for one in found.doubled} == set(path.tenants)
    assert {one.customer_id for one in found.unknown} == {path.tenants[1]}


TAMPERED = {
    "data": "data = jsonb_set(data, '{kind}', '\"meeting\"')",
    "sequence": "sequence = sequence + 1",
    "occurred_at": "occurred_at = occurred_at + interval '1 microsecond'",
    "type": "type = 'email.sent'",
    "correlation_id": "correlation_id = 'x'",
}


@pytest.mark.parametrize("column", TAMPERED)
def test_a_raw_event_with_changed_content_is_named(path: EventPath, column: str) -> None:
    changed = path.run()[5]
    assert path.reconcile().proven
    path.execute(f"update raw.events set {TAMPERED[column]} where event_id = %s", (changed.id,))
    found = path.reconcile()
    assert damage(found) == {"differing": {changed.id}}
    assert [one.detail for one in found.differing] == ["raw events have another content than the journal"]


def test_content_is_compared_as_it_is_and_not_as_it_is_written(path: EventPath) -> None:
    numbers = {"a": 1.5, "b": 0.1, "c": 1e16, "d": 1e-7, "e": -0.0, "f": 2**53 + 1}
    custom = {"ü \\ \t \n 'q' \"q\"": "\\ \t \n 'q' \"q\"", "none": None, "true": True, **numbers}
    path.publish(*(call(tenant, new_id(), custom=custom, subject="x\u2028y") for tenant in path.tenants))
    drain(path.settings)
    assert path.reconcile().proven


def test_a_journal_entry_with_changed_content_is_named(path: EventPath) -> None:
    first, second = path.run()[4:6]
    path.execute("update event_journal set envelope = replace(envelope, 'outbound', 'inbound') where event_id = %s",
                 (first.id,))  # fmt: skip
    path.execute("update event_journal set envelope = 'nonsense' where event_id = %s", (second.id,))
    found = path.reconcile()
    assert damage(found) == {"differing": {first.id, second.id}}
    assert {one.event_id: one.detail for one in found.differing} == {
        first.id: "Kafka has another content than the journal",
        second.id: "the journal holds no event under this id",
    }


def test_the_same_id_with_another_content_on_kafka_is_named(path: EventPath) -> None:
    event = path.run()[0]
    send(path.settings, "bevyly.domain", event.to_json().replace(b"outbound", b"inbound"), key=event.tenant_id)
    drain(path.settings)
    found = path.reconcile()
    assert damage(found) == {"differing": {event.id}}
    assert [one.detail for one in found.differing] == ["Kafka has two contents"]


@pytest.mark.parametrize("ingested", [True, False])
def test_a_message_that_nobody_wrote_is_named(path: EventPath, ingested: bool) -> None:
    path.run()
    forged = call(path.tenants[0], new_id())
    send(path.settings, "bevyly.domain", forged.to_json(), key=forged.tenant_id)
    if ingested:
        drain(path.settings)
    assert damage(path.reconcile()) == {"unknown_origin": {forged.id}}


def test_a_row_that_somebody_put_into_raw_events_is_named(path: EventPath) -> None:
    path.run()
    forged = new_id()
    path.execute(
        """
        insert into raw.events (customer_id, event_id, type, schema_version, subject_type, subject_id, sequence,
          occurred_at, recorded_at, data, source, topic, partition, "offset")
        select customer_id, %s, type, schema_version, subject_type, %s, sequence, occurred_at, recorded_at, data,
          source, topic, partition, "offset" + 1000000 from raw.events limit 1
        """,
        (forged, new_id()),
    )
    found = path.reconcile()
    assert damage(found) == {"unknown_origin": {forged}}
    assert [one.detail for one in found.unknown] == ["in raw events alone"]


def test_an_event_that_came_after_a_later_one_of_its_subject_is_named(path: EventPath) -> None:
    path.run()
    tenant, subject = path.tenants[0], new_id()
    first, second, third = (call(tenant, subject, number) for number in (1, 2, 3))
    path.publish(first, third, second)
    drain(path.settings)
    assert damage(path.reconcile()) == {"out_of_order": {second.id}}


def test_repeats_are_not_out_of_order(path: EventPath) -> None:
    subject = new_id()
    events = [call(path.tenants[0], subject, number) for number in (1, 2, 3)]
    path.publish(*events, *events, *events)
    drain(path.settings)
    found = path.reconcile()
    assert found.proven
    assert found.total("repeats") == 6


def test_what_is_no_event_is_set_aside_and_not_missing(path: EventPath) -> None:
    path.run()
    unreadable, stranger = b"nonsense", call(new_id(), new_id())
    send(path.settings, "bevyly.domain", unreadable, stranger.to_json())
    waiting = path.reconcile()
    drain(path.settings)
    found = path.reconcile()
    assert found.proven
    assert found.total("set_aside") == 2
    assert waiting.total("waiting") == 2
    # control: without the letters, the same messages are missing
    path.execute("delete from raw.dead_letters")
    found = path.reconcile()
    assert found.total("missing_in_raw") == 2
    assert {one.event_id for one in found.missing} == {None, stranger.id}


def test_what_is_on_its_way_is_not_missing(path: EventPath, monkeypatch: pytest.MonkeyPatch) -> None:
    path.run(60)
    on_kafka = [call(tenant, new_id()) for tenant in path.tenants]
    path.publish(*on_kafka)
    fill_outbox(path.settings, [call(path.tenants[0], new_id())])
    found = path.reconcile()
    assert (found.proven, found.complete, found.settled) == (True, True, False)
    assert {row.customer_id: row.waiting for row in found.rows} == {path.tenants[0]: 2, path.tenants[1]: 1}

    def everything_is_reached(connection: tables.Connection) -> None:
        connection.execute("insert into reached select topic, partition, high from ends")

    with monkeypatch.context() as patch:  # control: without the ingest's positions, the same is a false alarm
        patch.setattr(tables, "gather_positions", everything_is_reached)
        assert damage(path.reconcile()) == {"missing_in_raw": {event.id for event in on_kafka}}
    relay_all(path.settings)
    drain(path.settings)
    assert path.reconcile().settled


def test_what_is_published_while_kafka_is_read_is_no_stranger(path: EventPath, monkeypatch: pytest.MonkeyPatch) -> None:
    path.run()
    gather = tables.gather_journal

    def then_publish(*given: Any) -> None:
        gather(*given)
        path.run()

    monkeypatch.setattr(tables, "gather_journal", then_publish)
    found = path.reconcile()
    assert (found.proven, found.complete) == (True, True)
    assert found.total("journal") == found.total("kafka") == 120


def test_live_traffic_raises_no_false_alarm(path: EventPath) -> None:
    def write(stop: threading.Event) -> None:
        number = 0
        owners = [(tenant, new_id()) for tenant in path.tenants]
        while not stop.wait(0.005):
            number += 1
            fill_outbox(path.settings, [call(*owner, number) for owner in owners])

    with at_work(follow, path.settings), at_work(run_relay, path.settings), at_work(write):
        seen = [path.reconcile() for _ in range(8)]
    assert [(found.proven, found.complete) for found in seen] == [(True, True)] * 8, seen[-1].findings[:3]
    counts = [found.total("journal") for found in seen]
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_other_windows_are_left_alone(path: EventPath) -> None:
    early = path.run()
    boundary = datetime.now(UTC)
    path.execute("delete from raw.events where event_id = %s", (early[0].id,))
    assert not path.reconcile().proven
    after = path.reconcile(since=boundary)
    assert (after.proven, after.rows) == (True, ())
    path.run(10)
    after = path.reconcile(since=boundary)
    assert (after.proven, after.total("journal")) == (True, 10)


def test_a_day_is_the_one_of_publication(path: EventPath) -> None:
    path.run(20)
    before = path.began - timedelta(days=2)
    path.execute(
        "update event_journal set published_at = published_at - interval '1 day' where mod(position / 2, 2) = 0"
    )
    for tenant in path.tenants:
        found = path.reconcile(tenant=tenant, since=before)
        assert (found.proven, found.complete) == (True, True)
        assert {row.day for row in found.rows} == {path.began.date(), (path.began - timedelta(days=1)).date()}
        assert {row.journal for row in found.rows} == {5}


def test_names_are_bounded_and_counts_are_not(path: EventPath) -> None:
    path.run(40)
    path.execute("delete from raw.events")
    found = reconcile(path.settings, since=path.began, until=datetime.now(UTC) + timedelta(minutes=1), most_named=3)
    assert (len(found.missing), found.total("missing_in_raw")) == (3, 40)


def test_an_empty_window_is_refused(path: EventPath) -> None:
    with pytest.raises(Invalid, match="Nothing lies between"):
        path.reconcile(since=datetime.now(UTC) + timedelta(days=1))


def test_what_came_before_the_journal_is_no_stranger(path: EventPath) -> None:
    path.run(20)
    path.execute("delete from event_journal")
    found = path.reconcile()
    assert (found.proven, found.complete, found.total("unjournaled")) == (True, False, 20)
    assert "The journal is empty: it cannot speak for what came before." in found.notes
    path.run(10)
    found = path.reconcile()
    assert (found.proven, found.complete, found.total("unjournaled")) == (True, False, 20)
    assert any(note.startswith("The journal begins at") for note in found.notes)


def test_a_window_before_everything_is_empty(path: EventPath) -> None:
    path.run(20)
    since = path.began - timedelta(days=30)
    found = reconcile(path.settings, since=since, until=since + timedelta(days=1))
    assert (found.proven, found.rows) == (True, ())
