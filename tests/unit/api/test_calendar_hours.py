"""Working time and free time, by brute force and where clocks change."""

from datetime import UTC, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from api.modules.calendar.hours import Hours, Span, hours_of, merged, minutes, without, working

NEW_YORK = "America/New_York"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_hours_are_those_of_the_place_before_and_after_clocks_change() -> None:
    window = (at("2026-10-30"), at("2026-11-03"))
    friday, monday = working(hours_of(NEW_YORK, None), window)
    assert friday == (at("2026-10-30T13:00"), at("2026-10-30T21:00"))
    assert monday == (at("2026-11-02T14:00"), at("2026-11-02T22:00"))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 7), ("2026-11-01", 9), ("2026-11-08", 8)])
def test_a_day_on_which_clocks_change_is_as_long_as_it_is(day: str, hours: int) -> None:
    early = Hours(ZoneInfo(NEW_YORK), frozenset({7}), time(0), time(8))
    start = at(day)
    assert minutes(working(early, (start, start + timedelta(days=1)))) == hours * 60


def test_hours_over_midnight_belong_to_the_day_on_which_they_start() -> None:
    night = hours_of("UTC", {"days": [5], "start": "22:00", "end": "02:00"})
    assert working(night, (at("2026-11-28"), at("2026-11-29"))) == [(at("2026-11-28"), at("2026-11-28T02:00"))]


def test_what_is_left_is_what_a_look_at_every_minute_finds() -> None:
    chance, start = Random(7), at("2026-11-02")

    def some(count: int) -> list[Span]:
        spans = []
        for _ in range(count):
            first = chance.randrange(200)
            spans.append((start + timedelta(minutes=first), start + timedelta(minutes=first + chance.randrange(1, 60))))
        return spans

    for _ in range(50):
        spans, taken = merged(some(5)), some(6)
        moments = [start + timedelta(minutes=n) for n in range(300)]
        free = [m for m in moments if any(a <= m < b for a, b in spans) and not any(a <= m < b for a, b in taken)]
        left = without(spans, merged(taken))
        assert [m for m in moments if any(a <= m < b for a, b in left)] == free
        assert minutes(left) == len(free)
        assert left == without(spans, taken)
