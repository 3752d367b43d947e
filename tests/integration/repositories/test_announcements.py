"""What pipelines conclude is told once, in the transaction that writes it, under versions that grow."""

from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

import polars as pl
import psycopg

from bevyly.events.contracts import validate
from bevyly.events.envelope import Event
from bevyly.events.reference import subject_of
from pipelines.repositories.briefings import mark_stale
from pipelines.repositories.signal_passes import open_signals
from pipelines.repositories.signals import close_signals, upsert_signals
from tests.integration.repositories.builders import NOW, Tenant
from tests.integration.repositories.test_activation import frames_of, run

Connection = psycopg.Connection[Any]
Tenants = tuple[Tenant, Tenant]


def told(connection: Connection, tenant: Tenant) -> list[Event]:
    """Events of a tenant in their order, each checked against its contract."""
    rows = connection.execute(
        "select envelope from outbox where customer_id = %s order by position", (tenant.customer_id,)
    ).fetchall()
    events = [Event.from_json(row[0]) for row in rows]
    versions: dict[str, list[int]] = defaultdict(list)
    for event in events:
        validate(event)
        assert event.subject_type == subject_of(event.type)
        versions[event.subject].append(event.sequence)
    assert {subject: found for subject, found in versions.items() if found != sorted(set(found))} == {}
    return events


def types(events: list[Event]) -> dict[str, int]:
    return dict(Counter(event.type for event in events))


def test_a_pass_tells_what_it_wrote_and_the_same_pass_again_tells_nothing(
    connection: Connection, tenants: Tenants
) -> None:
    run(connection, tenants, frames_of(tenants))
    for tenant in tenants:
        events = told(connection, tenant)
        assert types(events) == {"signal.raised": 2, "recommendation.created": 1, "briefing.published": 2}
        (advice,) = [event for event in events if event.type == "recommendation.created"]
        assert (advice.data["entity_id"], advice.data["action_type"]) == (tenant.opportunity_id, "call")
        assert advice.data["owner_id"] == tenant.member_id
        assert advice.data["currency"] == "EUR"
        signals = {event.subject_id for event in events if event.type == "signal.raised"}
        assert advice.data["signal_id"] in {*signals, None}
        readers = {event.data["user_id"]: event for event in events if event.type == "briefing.published"}
        assert readers.keys() == {tenant.owner_id, tenant.member_id}
        assert all(event.subject == f"briefing/{user}" and event.sequence == 1 for user, event in readers.items())
        assert readers[tenant.member_id].data["headline"]
    run(connection, tenants, frames_of(tenants), at=NOW + timedelta(minutes=5))
    assert len(told(connection, tenants[0])) == 5


def test_what_ends_is_told(connection: Connection, tenants: Tenants) -> None:
    north = tenants[0]
    run(connection, tenants, frames_of(tenants))
    known = len(told(connection, north))
    later = NOW + timedelta(hours=3)
    called = frames_of(
        tenants, as_of=later, calls_total=1.0, calls_7d=1.0, days_since_last_outbound=0.1, days_since_last_inbound=0.1,
        outbound_since_last_inbound=0.0, days_since_last_activity=0.1, days_in_stage=1.0,
    )  # fmt: skip
    run(connection, tenants, called, at=later)
    events = told(connection, north)[known:]
    assert types(events) == {"signal.closed": 2, "recommendation.completed": 1, "briefing.published": 2}
    (completed,) = [event for event in events if event.type == "recommendation.completed"]
    assert (completed.sequence, completed.data["reason"]) == (2, "seen_done")
    assert all(event.data["reason"] for event in events if event.type == "signal.closed")


def test_a_better_action_an_end_and_a_return_are_told(connection: Connection, tenants: Tenants) -> None:
    north, south = tenants
    run(connection, tenants, frames_of(tenants))
    until = NOW + timedelta(hours=12)
    connection.execute(
        "update recommendations set status = 'snoozed', snoozed_until = %s, version = 2 where customer_id = %s",
        (until, south.customer_id),
    )
    known = len(told(connection, north)), len(told(connection, south))
    later = NOW + timedelta(days=1)
    run(connection, tenants, frames_of(tenants, as_of=later, calls_7d=5.0, days_since_last_outbound=3.0), at=later)
    events = told(connection, north)[known[0] :]
    assert types(events) == {"recommendation.created": 1, "recommendation.superseded": 1, "briefing.published": 2}
    superseded = next(event for event in events if event.type == "recommendation.superseded")
    assert superseded.data["superseded_by"] in {event.subject_id for event in events}
    returned = [event for event in told(connection, south)[known[1] :] if event.type == "recommendation.reopened"]
    assert [event.sequence for event in returned] == [3]
    quiet = frames_of(tenants, as_of=later, days_in_stage=1.0, outbound_since_last_inbound=0.0)
    run(connection, tenants, quiet, at=later + timedelta(hours=1))
    assert "recommendation.expired" in types(told(connection, north))


def test_a_signal_that_comes_back_is_told_again(connection: Connection, tenants: Tenants) -> None:
    north = tenants[0]
    run(connection, tenants, frames_of(tenants))
    known = len(told(connection, north))
    signal = open_signals(connection, [north.customer_id]).row(0, named=True)
    ended = {name: signal[name] for name in ("customer_id", "entity_type", "entity_id", "signal_type")}
    closing = ended | {"reason": "over", "at": signal["last_seen_at"]}
    assert close_signals(connection, [closing]) == 1
    again = pl.DataFrame([signal]).drop("id")
    for hours, title in ((1, "Again"), (2, "Still so")):
        seen = again.with_columns(title=pl.lit(title), seen_at=pl.lit(NOW + timedelta(hours=hours)))
        assert upsert_signals(connection, seen, found_by="stream", at=NOW) == 1
    events = told(connection, north)[known:]
    assert [event.type for event in events] == ["signal.closed", "signal.raised"]
    assert {event.subject for event in events} == {f"signal/{signal['id']}"}
    assert events[1].data["title"] == "Again"


def test_a_stale_briefing_is_told_with_its_reason(connection: Connection, tenants: Tenants) -> None:
    north, south = tenants
    run(connection, tenants, frames_of(tenants))
    known = len(told(connection, north)), len(told(connection, south))
    mark_stale(connection, [north.customer_id], reason="checks failed", at=NOW + timedelta(days=1))
    events = told(connection, north)[known[0] :]
    assert [(event.type, event.sequence) for event in events] == [("briefing.published", 2)] * 2
    assert {event.data["stale_reason"] for event in events} == {"checks failed"}
    assert len(told(connection, south)) == known[1]


def test_what_is_rolled_back_is_not_told(connection: Connection, tenants: Tenants) -> None:
    run(connection, tenants, frames_of(tenants))
    connection.rollback()
    assert told(connection, tenants[0]) == []
