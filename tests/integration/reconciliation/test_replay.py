"""Replay: events come again in their order, and nobody who has them changes anything."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from bevyly.events.envelope import Event, new_event
from bevyly.ids import new_id
from pipelines.intake import drain
from pipelines.reconciliation import replay
from pipelines.reconciliation.playback import OutboxNotEmptied, Pace, Replay
from pipelines.repositories.signals import close_signals, upsert_signals
from pipelines.streams.agent_trigger import AgentTrigger
from pipelines.streams.relay import run as run_relay
from pipelines.streams.rules import find
from pipelines.streams.signal_detector import SignalDetector
from tests.support.event_path import EventPath, at_work
from tests.support.event_streams import CLOCK, NOW, call, change, fill_outbox, relay_all

OUTBOX = "select event_id from outbox order by position"


def again(path: EventPath, **choice: Any) -> Replay:
    """A replay of what was published since the test began."""
    return replay(path.settings, since=path.began, until=datetime.now(UTC), **choice)


def waiting(path: EventPath) -> list[str]:
    return [row[0] for row in path.rows(OUTBOX)]


def of(events: list[Event], **wanted: str) -> list[str]:
    return [event.id for event in events if all(getattr(event, name) == value for name, value in wanted.items())]


def test_all_come_again_in_their_order(path: EventPath) -> None:
    events = path.run(60)
    done = again(path, pace=Pace(chunk=7))
    assert (done.events, done.per_tenant) == (60, dict.fromkeys(path.tenants, 30))
    assert waiting(path) == of(events)


def test_raw_events_stay_as_they_are_and_the_proof_holds(path: EventPath) -> None:
    path.run(60)
    before = path.rows("select e::text from raw.events e order by seq")
    again(path)
    relay_all(path.settings)
    assert (drain(path.settings).duplicates, path.rows("select e::text from raw.events e order by seq")) == (60, before)
    found = path.reconcile()
    assert (found.proven, found.total("repeats"), found.total("journal")) == (True, 60, 60)


def test_a_replay_alone_in_its_window_is_in_order(path: EventPath) -> None:
    path.run(60)
    boundary = datetime.now(UTC)
    path.execute("update event_journal set published_at = published_at - interval '3 hours'")
    done = replay(path.settings, since=path.began - timedelta(hours=4), until=boundary - timedelta(hours=1))
    assert done.events == 60
    relay_all(path.settings)
    found = path.reconcile(since=boundary)
    assert (found.proven, found.total("journal"), found.total("out_of_order")) == (True, 60, 0)


def test_what_was_replayed_is_replayed_once(path: EventPath) -> None:
    events = path.run(20)
    for _ in range(3):
        assert again(path).events == 20
        assert waiting(path) == of(events)
        relay_all(path.settings)


def test_a_tenant_a_type_or_a_subject_alone(path: EventPath) -> None:
    events = path.run(30)
    deal = change(path.tenants[1], new_id(), before={"value_minor": 1}, after={"value_minor": 5})
    path.publish(deal)
    again(path, tenant=path.tenants[0])
    assert waiting(path) == of(events, tenant_id=path.tenants[0])
    path.execute("delete from outbox")
    again(path, type_="opportunity.updated")
    assert waiting(path) == [deal.id]
    path.execute("delete from outbox")
    again(path, subject=events[3].subject)
    assert waiting(path) == of(events, subject=events[3].subject)
    path.execute("delete from outbox")
    assert again(path, tenant=path.tenants[0], subject=deal.subject).events == 0


def test_a_dry_run_counts_and_leaves_no_trace(path: EventPath) -> None:
    path.run(30)
    counted = again(path, dry_run=True)
    assert counted.chosen == {(tenant, "call.completed"): 15 for tenant in path.tenants}
    assert (counted.events, waiting(path), path.rows("select * from audit")) == (0, [], [])


def test_the_audit_of_each_tenant_says_who_replayed_what(path: EventPath) -> None:
    path.run(30)
    done = again(path, tenant=path.tenants[0], type_="call.completed")
    [(customer, action, kind, entity, after)] = path.rows(
        "select customer_id, action, entity_type, entity_id, after from audit"
    )
    assert (customer, action, kind, entity) == (path.tenants[0], "events.replayed", "replay", done.id)
    assert (after["events"], after["type"], "subject" in after) == (15, "call.completed", False)
    assert datetime.fromisoformat(after["since"]) == path.began
    assert "@" in after["by"]


def test_live_events_do_not_wait_behind_a_whole_replay(path: EventPath, monkeypatch: pytest.MonkeyPatch) -> None:
    path.run(600)
    deepest: list[int] = []
    depth = Pace._depth

    def noted(pace: Pace, connection: psycopg.Connection[tuple[Any, ...]]) -> int:
        deepest.append(path.rows("select count(*) from outbox")[0][0])
        return depth(pace, connection)

    monkeypatch.setattr(Pace, "_depth", noted)
    with at_work(run_relay, path.settings):
        assert again(path, pace=Pace(chunk=50, most_waiting=20)).events == 600
    assert max(deepest) < 20 + 50


def test_without_a_relay_it_says_so_and_keeps_what_it_put_back(path: EventPath) -> None:
    path.run(60)
    with pytest.raises(OutboxNotEmptied, match="does a relay run"):
        again(path, pace=Pace(chunk=20, most_waiting=20, patience_seconds=0.2))
    assert len(waiting(path)) == 20


def test_a_stop_is_heard_between_chunks(path: EventPath) -> None:
    path.run(10)
    stop = threading.Event()
    stop.set()
    assert again(path, stop=stop).events == 0


def deal(path: EventPath, tenant: str) -> str:
    """An open opportunity."""
    account, opportunity = new_id(), new_id()
    path.execute("insert into accounts (customer_id, id, name) values (%s, %s, 'A')", (tenant, account))
    path.execute(
        "insert into opportunities (customer_id, id, account_id, name, stage, status, stage_entered_at) "
        "values (%s, %s, %s, 'D', 'proposal', 'open', now())",
        (tenant, opportunity, account),
    )
    return opportunity


def after(event: Event, hours: int) -> Event:
    """The same, `hours` later."""
    later = NOW + timedelta(hours=hours)
    return msgspec.structs.replace(event, time=later, recorded_time=later)


def handle(path: EventPath, handler: Any, *events: Event) -> None:
    """What a stream does with one batch."""
    with psycopg.connect(path.settings.require_pipeline_database()) as connection:
        handler(connection, events)


def test_a_replay_changes_no_signal(path: EventPath) -> None:
    """Raised and closed, closed by a decision, merged with the batch pass, on a deal decided since: all stay so."""
    tenant = path.tenants[0]
    moved, lost, merged, decided = (deal(path, tenant) for _ in range(4))
    slip = {"before": {"expected_close_date": "2026-12-01"}, "after": {"expected_close_date": "2027-02-01"}}
    raised = [after(change(tenant, one, **slip), hours) for hours, one in enumerate((moved, lost, merged, decided))]
    stage = {"opportunity_id": lost, "from_stage": "proposal", "to_stage": "lost", "status": "lost"}
    over = after(_event(tenant, lost, "opportunity.stage_changed", stage), 5)
    contact = after(call(tenant, moved, direction="inbound"), 6)
    history = [*raised, over, contact]
    detector = SignalDetector(CLOCK)
    for event in history:
        handle(path, detector, event)
    with psycopg.connect(path.settings.require_pipeline_database()) as connection:
        batch = [dict(find(raised[2])[0]) | {"title": "Seen by the batch", "seen_at": NOW + timedelta(days=1)}]
        upsert_signals(connection, batch, found_by="batch", at=NOW)
        ended = {"customer_id": tenant, "entity_type": "opportunity", "entity_id": moved, "signal_type": None}
        close_signals(connection, [ended | {"reason": "expired", "at": NOW + timedelta(days=2)}])
    path.execute("update opportunities set status = 'won', stage = 'won', closed_at = now() where id = %s", (decided,))
    before = path.rows("select s::text from signals s order by id")
    assert len(before) == 4

    for event in history:
        handle(path, detector, event)
    handle(path, detector, *history)
    handle(path, detector, *reversed(history))
    assert path.rows("select s::text from signals s order by id") == before


def test_a_replay_raises_what_could_not_be_raised_then(path: EventPath) -> None:
    """The exception: the deal was not known when the event first came. It is raised as of the event's own time."""
    tenant, opportunity = path.tenants[0], new_id()
    slip = {"before": {"expected_close_date": "2026-12-01"}, "after": {"expected_close_date": "2027-02-01"}}
    event = change(tenant, opportunity, **slip)
    handle(path, SignalDetector(CLOCK), event)
    assert path.rows("select * from signals") == []
    path.execute("update opportunities set id = %s where id = %s", (opportunity, deal(path, tenant)))
    handle(path, SignalDetector(CLOCK), event)
    assert path.rows("select entity_id, first_seen_at from signals") == [(opportunity, event.recorded_time)]


def test_a_replay_starts_no_agent(path: EventPath) -> None:
    tenant = path.tenants[0]
    commands = [
        _event(tenant, new_id(), "agent.enrich_account", {"account_id": new_id()}, kind="agent_command"),
        _event(tenant, new_id(), "agent.draft_email", {"contact_id": new_id(), "purpose": "Ask"}, kind="agent_command"),
    ]
    handle(path, AgentTrigger(CLOCK), *commands)
    path.execute("update agent_runs set status = 'succeeded', completed_at = now()")
    path.execute("update approval_items set status = 'approved'")
    query = (
        "select r::text, i::text from agent_runs r left join approval_items i on i.agent_run_id = r.id order by r.id"
    )
    before = path.rows(query)
    handle(path, AgentTrigger(CLOCK), *commands, *commands)
    assert path.rows(query) == before


def test_a_replay_through_kafka_reaches_the_streams_and_changes_nothing(path: EventPath) -> None:
    from pipelines.streams.signal_detector import make_stream

    tenant = path.tenants[0]
    slip = {"before": {"expected_close_date": "2026-12-01"}, "after": {"expected_close_date": "2027-02-01"}}
    event = change(tenant, deal(path, tenant), **slip)
    with at_work(make_stream(path.settings, CLOCK).run):
        path.publish(event)
        _until(lambda: bool(path.rows("select 1 from signals")))
        before = path.rows("select s::text from signals s")
        again(path)
        relay_all(path.settings)
        marker = after(change(tenant, deal(path, tenant), **slip), 1)
        path.publish(marker)
        _until(lambda: len(path.rows("select 1 from signals")) == 2)
    assert (
        path.rows("select s::text from signals s where not evidence @> to_jsonb(array['" + marker.id + "'])") == before
    )


def _until(held: Any, seconds: float = 20.0) -> None:
    deadline, pause = datetime.now(UTC) + timedelta(seconds=seconds), threading.Event()
    while not held():
        assert datetime.now(UTC) < deadline
        pause.wait(0.05)


def _event(tenant: str, subject: str, type_: str, data: dict[str, Any], *, kind: str = "opportunity") -> Event:
    return new_event(type_, tenant_id=tenant, subject=(kind, subject), sequence=3, data=data, clock=CLOCK)


def test_what_waits_in_the_outbox_is_left_alone(path: EventPath) -> None:
    events = path.run(10)
    live = call(path.tenants[0], new_id())
    fill_outbox(path.settings, [live])
    again(path)
    assert waiting(path) == [live.id, *of(events)]
