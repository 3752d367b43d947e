"""Repair: what can be published again is mended, what cannot is said in words."""

from datetime import UTC, datetime, timedelta

from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.checks.blocking import RULES
from pipelines.intake import drain
from pipelines.reconciliation.repair import Repair, arrive, repair
from pipelines.reconciliation.result import Window
from tests.support.event_path import EventPath
from tests.support.event_streams import call, fill_outbox, relay_all, send


def settle(settings: Settings) -> None:
    """A relay and an ingest that do their work at once."""
    relay_all(settings)
    drain(settings)


def mend(path: EventPath, tenant: str | None = None) -> Repair:
    window = Window(since=path.began, until=datetime.now(UTC) + timedelta(minutes=1), tenant=tenant)
    return repair(path.settings, window, settle=settle)


def test_what_raw_events_lost_comes_back_as_it_was(path: EventPath) -> None:
    events = path.run(60)
    columns = "customer_id, event_id, type, subject_id, sequence, occurred_at, recorded_at, data"
    before = path.rows(f"select {columns} from raw.events order by event_id")
    path.execute("delete from raw.events where event_id = any(%s)", ([event.id for event in events[20:40]],))
    done = mend(path)
    assert (done.before.total("missing_in_raw"), done.replayed, done.gone) == (20, 20, 0)
    assert (done.after.proven, done.after.total("repeats")) == (True, 20)
    assert path.rows(f"select {columns} from raw.events order by event_id") == before
    assert done.words == ["20 events were published again from the journal."]


def test_what_kafka_lost_comes_back(path: EventPath) -> None:
    path.run(20)
    lost = [call(tenant, new_id()) for tenant in path.tenants]
    fill_outbox(path.settings, lost)
    path.execute("""
        with moved as (delete from outbox returning *)
        insert into event_journal (published_at, position, customer_id, event_id, topic, key, envelope, created_at)
        select now(), position, customer_id, event_id, topic, customer_id, envelope, created_at from moved
    """)
    done = mend(path)
    assert (done.before.total("missing_on_kafka"), done.replayed, done.after.proven) == (2, 2, True)


def test_one_tenant_is_mended_alone(path: EventPath) -> None:
    path.run(20)
    path.execute("delete from raw.events")
    done = mend(path, path.tenants[0])
    assert (done.replayed, done.after.proven) == (10, True)
    assert {row[0] for row in path.rows("select customer_id from raw.events")} == {path.tenants[0]}
    assert path.reconcile().total("missing_in_raw") == 10


def test_what_the_journal_no_longer_has_is_said(path: EventPath) -> None:
    first, second = path.run(20)[3:5]
    path.execute("delete from raw.events where event_id in (%s, %s)", (first.id, second.id))
    path.execute("delete from event_journal where event_id = %s", (second.id,))
    done = mend(path)
    assert (done.replayed, done.gone, done.after.proven) == (1, 1, False)
    assert {one.event_id for one in done.after.missing} == {second.id}
    assert any("1 missing events or messages are not in the journal" in sentence for sentence in done.words)


def test_what_replay_cannot_mend_is_left_and_said(path: EventPath) -> None:
    changed = path.run(20)[3]
    path.execute("update raw.events set type = 'email.sent' where event_id = %s", (changed.id,))
    forged = call(path.tenants[0], new_id())
    send(path.settings, "bevyly.domain", forged.to_json(), key=forged.tenant_id)
    drain(path.settings)
    done = mend(path)
    assert (done.replayed, done.gone, done.after.proven) == (0, 0, False)
    assert done.words == ["Nothing here can be mended by publishing again: see the findings."]


def late(path: EventPath) -> int:
    """What the check that stops a refresh counts."""
    (statement,) = (rule[3] for rule in RULES if rule[1] == "entities_in_order")
    return int(path.rows(statement)[0][0])


def test_what_comes_back_late_does_not_stop_the_next_refresh(path: EventPath) -> None:
    subject = new_id()
    events = [call(path.tenants[0], subject, number) for number in (1, 2, 3)]
    path.publish(*events)
    drain(path.settings)
    path.execute("delete from raw.events where event_id = %s", (events[1].id,))
    assert mend(path).after.proven
    assert path.rows("select sequence from raw.events order by seq") == [(1,), (3,), (2,)]
    assert late(path) == 0
    # control: what was published once and came late does stop it
    path.execute("delete from event_journal where position = (select max(position) from event_journal)")
    assert late(path) == 1


def test_a_proven_window_is_left_alone(path: EventPath) -> None:
    path.run(20)
    done = mend(path)
    assert (done.before.proven, done.after, done.words) == (True, done.before, [])
    assert path.rows("select * from audit") == []


def test_arriving_waits_for_the_relay_no_longer_than_it_is_told(path: EventPath) -> None:
    fill_outbox(path.settings, [call(path.tenants[0], new_id())])
    arrive(path.settings, seconds=0.3)
    assert path.rows("select count(*) from raw.events") == [(0,)]
    relay_all(path.settings)
    arrive(path.settings)
    assert path.rows("select count(*) from raw.events") == [(1,)]
