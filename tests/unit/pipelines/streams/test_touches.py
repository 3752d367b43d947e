"""What an event may change in a briefing, told from the event alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bevyly.clock import FixedClock
from bevyly.events.envelope import Event, new_event
from bevyly.ids import new_id
from pipelines.repositories.announcements import SOURCE
from pipelines.streams.touches import cleared, examined, growth, people, told_of

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
TENANT, DEAL, LEAD, OTHER = (new_id() for _ in range(4))


def event(type_: str, subject: tuple[str, str] = ("activity", OTHER), source: str = "api", **data: Any) -> Event:
    return new_event(
        type_, tenant_id=TENANT, subject=subject, sequence=1, data=data, clock=FixedClock(NOW), source=source
    )


def counters(one: Event, now: datetime = NOW) -> list[tuple[str, str]]:
    return [(grown.entity_type, grown.counter) for grown in growth(one, now=now)]


SOON, PAST = (NOW + timedelta(days=1)).isoformat(), NOW.isoformat()


@pytest.mark.parametrize(
    ("type_", "data", "expected"),
    [
        ("call.completed", {}, "calls_total"),
        ("email.sent", {}, "emails_sent"),
        ("meeting.completed", {}, "meetings_total"),
        ("meeting.scheduled", {"due_at": SOON}, "has_next_step"),
        ("task.created", {"due_at": SOON}, "has_next_step"),
        ("activity.updated", {"after": {"due_at": SOON}}, "has_next_step"),
        ("meeting.scheduled", {"due_at": PAST}, None),
        ("task.created", {"due_at": None}, None),
        ("activity.updated", {"after": {"body": "x"}, "due_at": SOON}, None),
        ("note.created", {}, None),
        ("email.received", {}, None),
    ],
)
def test_activities_make_totals_larger(type_: str, data: dict[str, Any], expected: str | None) -> None:
    both = event(type_, opportunity_id=DEAL, lead_id=LEAD, **data)
    assert counters(both) == ([("opportunity", expected), ("lead", expected)] if expected else [])


def test_what_is_dated_ahead_has_not_happened() -> None:
    assert counters(event("call.completed", opportunity_id=DEAL), NOW - timedelta(seconds=1)) == []


def test_new_deals_and_people_count_for_what_they_belong_to() -> None:
    opened = event("opportunity.created", ("opportunity", DEAL), lead_id=LEAD, account_id=OTHER)
    assert counters(opened) == [("lead", "opportunities"), ("account", "opportunities_total")]
    assert counters(event("contact.created", ("contact", OTHER), account_id=None)) == []


def test_own_conclusions_are_not_followed_and_answers_of_people_are() -> None:
    about = {"entity_type": "opportunity", "entity_id": DEAL}
    subject = ("recommendation", OTHER)
    assert [*told_of(event("recommendation.expired", subject, SOURCE, **about))] == []
    assert [one.entity_id for one in told_of(event("recommendation.accepted", subject, **about))] == [DEAL]
    assert [*told_of(event("briefing.published", ("briefing", OTHER), SOURCE))] == []


def test_a_merge_tells_of_what_was_absorbed() -> None:
    merged = event("lead.merged", ("lead", LEAD), absorbed_ids=[OTHER])
    assert [one.entity_id for one in examined(merged)] == [LEAD, OTHER]


def test_only_a_closed_signal_leaves_something_uncalled() -> None:
    about = {"entity_type": "opportunity", "entity_id": DEAL}
    assert [one.entity_id for one in cleared(event("signal.closed", ("signal", OTHER), SOURCE, **about))] == [DEAL]
    assert [*cleared(event("signal.raised", ("signal", OTHER), SOURCE, **about))] == []


def test_former_and_present_owners_are_told() -> None:
    moved = event("opportunity.updated", ("opportunity", DEAL), before={"owner_id": LEAD}, after={"owner_id": OTHER})
    assert [user for _, user in people(moved)] == [LEAD, OTHER]
    assert [user for _, user in people(event("user.updated", ("user", LEAD), before={}, after={}))] == [LEAD]
