"""What moved a feature: time first, then the events that only can, then any; and the words for it."""

from math import nan

import pytest

from models.change_words import EVENT, OTHER, OWNER, TIME, Cause, cause_of, words_of
from models.changes import _with_points, headline

MEETING, CALL = "meeting.scheduled", "call.completed"


@pytest.mark.parametrize(
    ("name", "old", "new", "types", "expected"),
    [
        ("meetings_total", 0.0, 1.0, [CALL, MEETING], Cause(EVENT, (MEETING,))),
        ("calls_7d", 1.0, 2.0, [CALL, MEETING], Cause(EVENT, (CALL,))),
        ("inbound_total", 0.0, 1.0, [CALL, MEETING], Cause(EVENT, (CALL, MEETING))),
        ("inbound_total", 0.0, 1.0, [], Cause(OTHER)),
        ("inbound_total", 1.0, 1.0, [CALL], Cause(TIME)),
        ("median_reply_hours", nan, nan, [CALL], Cause(TIME)),
        ("age_days", 3.0, 5.0, [CALL], Cause(TIME)),
        ("days_since_last_activity", 3.0, 5.0, [], Cause(TIME)),
        ("days_since_last_activity", 3.0, 0.5, [CALL], Cause(EVENT, (CALL,))),
        ("days_to_close", 3.0, 1.0, [CALL], Cause(TIME)),
        ("days_to_close", 3.0, 30.0, ["opportunity.updated", CALL], Cause(EVENT, ("opportunity.updated",))),
        ("engagement_decayed", 3.0, 2.0, [CALL], Cause(TIME)),
        ("engagement_decayed", 3.0, 6.0, [CALL], Cause(EVENT, (CALL,))),
        ("inbound_7d", 2.0, 0.0, [], Cause(TIME)),
        ("owner_win_rate_180d", 0.4, 0.5, [CALL], Cause(OWNER)),
        ("stage", 1.0, 2.0, ["opportunity.stage_changed"], Cause(EVENT, ("opportunity.stage_changed",))),
    ],
)
def test_a_feature_follows(name: str, old: float, new: float, types: list[str], expected: Cause) -> None:
    assert cause_of(name, old, new, days=2.0, types=types) == expected


def test_words() -> None:
    assert words_of(Cause(EVENT, (MEETING,))) == "Meeting booked"
    assert words_of(Cause(EVENT, (MEETING, CALL))) == "Meeting booked, call"
    assert words_of(Cause(EVENT, ("something.new_here",))) == "Something new here"


def entry(cause: str, logit: float) -> dict[str, object]:
    return {"cause": cause, "text": cause, "logit": logit}


@pytest.mark.parametrize(
    ("entries", "total", "points"),
    [
        ([entry("event", 0.62), entry("time", -0.04)], 6, [6, 0]),
        ([entry("event", 0.55), entry("time", 0.55)], 11, [6, 5]),
        ([entry("model", 0.9), entry("event", 0.5)], 20, [15, 5]),
        ([entry("event", 3.0)], 12, [30, -18]),
        ([], 0, []),
    ],
)
def test_points_sum_to_the_change(entries: list[dict[str, object]], total: int, points: list[int]) -> None:
    found = _with_points(entries, total, 10.0)
    assert sum(one["points"] for one in found) == total
    assert [one["points"] for one in found] == points
    if points == [30, -18]:
        assert found[1]["text"] == "Points end at 0 and 100"


def test_the_headline_is_the_strongest_cause() -> None:
    assert headline([{"text": "Meeting booked", "points": 6}, {"text": "Time passed", "points": -1}]) == (
        "Meeting booked, +6"
    )
    assert headline([]) == "No difference"
