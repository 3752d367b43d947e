"""Rules of the stream: the rows of the batch detectors, from one event."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.intent.thresholds import Thresholds
from models.signals.detect import SCHEMA
from models.signals.registry import detectors_of
from pipelines.repositories.detectors import Ear
from pipelines.repositories.told_before import Amendment
from pipelines.streams.findings import Finding, severity
from pipelines.streams.known import Known
from pipelines.streams.rules import CONVERSATION_SECONDS, INTENT_ACTIONS, close, find
from tests.support.event_streams import NOW, call, change

TENANT, DEAL, LEAD = new_id(), new_id(), new_id()
PLANNED = {"going_dark", "ghosted", "no_next_step"}


def moved(before: str | None, after: str | None) -> Event:
    return change(TENANT, DEAL, before={"expected_close_date": before}, after={"expected_close_date": after})


def worth(before: int | None, after: int | None) -> Event:
    return change(TENANT, DEAL, before={"value_minor": before}, after={"value_minor": after})


def activity(type_: str, **data: Any) -> Event:
    return msgspec.structs.replace(call(TENANT, DEAL, **data), type=type_)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (moved("2026-12-01", "2027-02-01"), [("close_date_slipped", "-", "high")]),
        (moved("2026-12-01", "2026-12-31"), [("close_date_slipped", "-", "low")]),
        (moved("2026-12-01", "2026-12-30"), []),
        (moved("2026-12-31", "2026-12-24"), [("close_date_pulled_in", "+", "low")]),
        (moved("2026-12-31", "2026-12-25"), []),
        (moved("2026-12-31", "2026-11-01"), []),
        (moved(None, "2026-12-31"), []),
        (moved("2026-12-31", None), []),
        (worth(100_00, 120_00), [("amount_changed", "+", "low")]),
        (worth(100_00, 119_99), []),
        (worth(50_000_00, 60_000_00), [("amount_changed", "+", "low")]),
        (worth(100_00, 30_00), [("amount_changed", "-", "critical")]),
        (worth(100_00, 0), [("amount_changed", "-", "critical")]),
        (worth(0, 100_00), []),
        (worth(None, 100_00), []),
        (activity("proposal.replied", direction="inbound"), [("high_intent_action", "+", "high")]),
        (activity("proposal.replied", direction="internal"), []),
        (activity("form.submitted", direction="inbound"), [("high_intent_action", "+", "high")]),
        (activity("form.submitted", direction="inbound", opportunity_id=None, lead_id=LEAD), []),
        (activity("email.clicked", direction="inbound"), []),
        (activity("call.completed", direction="inbound"), []),
        (activity("meeting.scheduled", direction="inbound"), [("high_intent_action", "+", "high")]),
        (activity("meeting.scheduled", direction="outbound"), []),
    ],
)
def test_what_an_event_shows(event: Event, expected: list[tuple[str, str, str]]) -> None:
    assert [(one["signal_type"], one["polarity"], one["severity"]) for one in find(event)] == expected


def test_a_finding_is_a_row_of_the_signals_frame_keyed_by_its_event() -> None:
    event = moved("2026-12-01", "2027-02-01")
    [finding] = find(event)
    assert Finding.__required_keys__ == set(SCHEMA)
    assert finding["dedupe_key"] == f"close_date_slipped:opportunity:{DEAL}:{event.id}"
    assert (finding["seen_at"], finding["expires_at"]) == (NOW, NOW + timedelta(days=14))
    assert finding["evidence"] == [event.id]


@pytest.mark.parametrize(
    "event",
    [
        moved("2026-12-01", "2027-02-01"),
        moved("2026-12-31", "2026-12-01"),
        worth(1, 5),
        activity("proposal.replied", direction="inbound"),
    ],
)
def test_streams_find_what_the_batch_pass_knows(event: Event) -> None:
    assert find(event)
    for finding in find(event):
        known = {detector.signal_type: detector for detector in detectors_of(finding["entity_type"])}
        detector = known[finding["signal_type"]]
        assert finding["detector_version"] == detector.version
        assert finding["expires_at"] - finding["seen_at"] == timedelta(days=detector.lives_days)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (activity("call.completed"), {"going_dark", "answer_owed"}),
        (activity("call.completed", duration_seconds=CONVERSATION_SECONDS - 1), {"going_dark", "answer_owed"}),
        (activity("call.completed", duration_seconds=CONVERSATION_SECONDS), {"going_dark", "answer_owed", "ghosted"}),
        (
            activity("call.completed", direction="inbound", duration_seconds=CONVERSATION_SECONDS),
            {"going_dark", "answer_owed", "ghosted"},
        ),
        (activity("call.completed", direction="internal", duration_seconds=CONVERSATION_SECONDS), set()),
        (activity("email.received", direction="inbound"), {"going_dark", "ghosted"}),
        (activity("note.created", direction="internal"), set()),
        (activity("meeting.completed", direction="outbound"), {"going_dark", "ghosted", "answer_owed"}),
        (
            activity("call.completed", opportunity_id=None, lead_id=LEAD),
            {"going_dark", "lead_untouched", "answer_owed"},
        ),
        (activity("meeting.scheduled", due_at="2026-11-27T09:00:00Z"), PLANNED | {"answer_owed"}),
        (activity("meeting.scheduled", due_at="2026-11-20T09:00:00Z"), {"going_dark", "answer_owed"}),
        (activity("call.scheduled", due_at="2026-11-27T09:00:00Z"), PLANNED),
        (activity("task.created", direction="internal", due_at="2026-11-27T09:00:00Z"), PLANNED),
        (activity("activity.updated", after={"due_at": "2026-11-27T09:00:00Z"}), PLANNED),
        (activity("activity.updated", after={"due_at": "2026-11-20T09:00:00Z"}), set()),
        (activity("activity.updated", after={"subject": "x"}), set()),
        (moved("2026-11-01", "2026-12-01"), {"close_date_overdue", "close_date_pulled_in"}),
        (moved("2026-11-01", "2026-11-02"), {"close_date_pulled_in"}),
        (worth(100_00, 100_01), {"amount_changed"}),
        (activity("proposal.sent"), {"going_dark", "answer_owed", "ghosted"}),
    ],
)
def test_what_an_event_ends(event: Event, expected: set[str]) -> None:
    assert {one["signal_type"] for one in close(event)} == expected


def test_streams_and_marts_call_the_same_a_conversation_and_intent() -> None:
    project = yaml.safe_load((Path(__file__).parents[4] / "dbt_project/dbt_project.yml").read_text())
    assert project["vars"]["conversation_seconds"] == CONVERSATION_SECONDS
    assert {kind: tuple(types) for kind, types in project["vars"]["intent_actions"].items()} == INTENT_ACTIONS


def told(*steps: tuple[dict[str, Any], dict[str, Any]]) -> Known:
    amendments = [Amendment(new_id(), version, before, after) for version, (before, after) in enumerate(steps)]
    return Known(amendments={DEAL: amendments})


def dates(before: str | None, after: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return ({"expected_close_date": before} if before else {}), {"expected_close_date": after}


@pytest.mark.parametrize(
    ("known", "titles"),
    [
        (told(dates(None, "2026-12-01")), []),
        (told(dates("2026-12-01", "2026-12-05")), ["Close date moved out 2 times, by 14 days in all"]),
        (told(dates("2026-12-05", "2026-12-01")), []),
        (
            told(dates("2026-11-01", "2026-12-01"), dates("2026-12-11", "2026-12-01")),
            ["Close date moved out 2 times, by 40 days in all"],
        ),
    ],
)
def test_a_date_that_moves_out_again_counts_the_moves_before(known: Known, titles: list[str]) -> None:
    assert [one["title"] for one in find(moved("2026-12-01", "2026-12-11"), known)] == titles


def test_what_was_told_after_an_event_does_not_count_for_it() -> None:
    later = [Amendment(new_id(), 3, *dates("2026-12-11", "2026-12-21"))]
    assert find(moved("2026-12-01", "2026-12-11"), Known(amendments={DEAL: later})) == []


@pytest.mark.parametrize(
    ("first", "change"),
    [(None, None), (0, None), (100_00, "50 % higher"), (150_00, None), (300_00, "50 % lower")],
)
def test_an_amount_is_held_against_the_first_one(first: int | None, change: str | None) -> None:
    known = told(({}, {"value_minor": first}))
    found = find(worth(140_00 if first else first, 150_00), known)
    assert [one["title"] for one in found] == ([f"Amount is {change} than at first"] if change else [])


@pytest.mark.parametrize(("late", "strength"), [(0, 2.0), (1.5, 1.5), (3, 1.0), (3.1, None)])
def test_what_is_logged_late_is_news_for_less_time(late: float, strength: float | None) -> None:
    event = activity("proposal.replied", direction="inbound")
    event = msgspec.structs.replace(event, time=event.recorded_time - timedelta(days=late))
    assert [one["strength"] for one in find(event)] == ([] if strength is None else [strength])


def test_what_is_done_with_a_lead_counts_for_its_deal() -> None:
    known = Known(deals={LEAD: DEAL})
    asked = activity("meeting.scheduled", direction="inbound", opportunity_id=None, lead_id=LEAD)
    assert [one["entity_id"] for one in find(asked, known)] == [DEAL, LEAD]
    called = activity("call.completed", opportunity_id=None, lead_id=LEAD)
    assert {one["entity_id"] for one in close(called, known)} == {DEAL, LEAD}


@pytest.mark.parametrize("event", [moved("2026-12-31", "2026-12-01"), worth(100_00, 300_00)])
def test_what_is_found_does_not_end_itself(event: Event) -> None:
    [found] = find(event)
    assert {one["kept"] for one in close(event) if one["signal_type"] == found["signal_type"]} == {found["dedupe_key"]}


@pytest.mark.parametrize(("status", "ended"), [("open", "deal_stalled"), ("won", None), ("lost", None)])
def test_a_decision_ends_everything_on_the_deal(status: str, ended: str | None) -> None:
    data = {"opportunity_id": DEAL, "to_stage": "x", "status": status}
    event = msgspec.structs.replace(call(TENANT, DEAL), type="opportunity.stage_changed", data=data)
    assert [(one["entity_id"], one["signal_type"]) for one in close(event)] == [(DEAL, ended)]


@pytest.mark.parametrize("kind", ["opportunity", "lead", "account"])
def test_a_deletion_ends_everything_however_it_is_told(kind: str) -> None:
    event = change(TENANT, DEAL, before={}, after={})
    for type_, data, ended in (
        (f"{kind}.deleted", {"deleted_at": NOW.isoformat()}, [None]),
        (f"{kind}.updated", {"before": {}, "after": {"deleted_at": NOW.isoformat()}}, [None]),
        (f"{kind}.updated", {"before": {}, "after": {"deleted_at": None}}, []),
        (f"{kind}.restored", {}, []),
    ):
        told = msgspec.structs.replace(event, type=type_, subject=f"{kind}/{DEAL}", data={f"{kind}_id": DEAL} | data)
        closings = close(told)
        assert [one["signal_type"] for one in closings] == ended, type_
        assert {(one["entity_type"], one["entity_id"]) for one in closings} <= {(kind, DEAL)}


@pytest.mark.parametrize(
    ("strength", "polarity", "expected"),
    [(1, "-", "low"), (1.5, "-", "medium"), (2, "-", "high"), (3, "-", "critical"), (3, "+", "high")],
)
def test_severity_follows_strength(strength: float, polarity: str, expected: str) -> None:
    assert severity(strength, polarity) == expected


def test_a_stream_is_as_loud_as_the_detector_has_been_worth() -> None:
    event = moved("2026-12-01", "2026-12-31")
    severities = [
        find(event, Known(ear=Ear(weights={"close_date_slipped": weight})))[0]["severity"] for weight in (0.5, 1.5, 2.0)
    ]
    assert severities == ["low", "medium", "high"]
    assert find(event, Known(ear=Ear(line=Thresholds(slip_days=31)))) == []
