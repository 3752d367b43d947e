"""Spans of time: when somebody works, what is taken of it, what is left. Pure, and right where clocks change.

A span is a pair of instants in UTC, its end not part of it. Hours are told in local time and computed in UTC, so that a
day on which clocks change is as long as it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Hours:
    """On which days of the week (1 is Monday), from when to when, somebody works, in their time zone."""

    zone: ZoneInfo
    days: frozenset[int] = frozenset({1, 2, 3, 4, 5})
    start: time = time(9)
    end: time = time(17)


def hours_of(zone: str, stored: Mapping[str, Any] | None) -> Hours:
    """Hours as preferences keep them (`days`, `start`, `end`); Monday to Friday, nine to five, where there are none."""
    if stored is None:
        return Hours(ZoneInfo(zone))
    start, end = time.fromisoformat(stored["start"]), time.fromisoformat(stored["end"])
    return Hours(ZoneInfo(zone), frozenset(stored["days"]), start, end)


def working(hours: Hours, window: Span) -> list[Span]:
    """The working time in a window; hours that end before they start go on until the next day."""
    spans = []
    first, last = (instant.astimezone(hours.zone).date() for instant in window)
    over_night = timedelta(days=hours.end <= hours.start)
    day = first - timedelta(days=1)
    while day <= last:
        if day.isoweekday() in hours.days:
            start = datetime.combine(day, hours.start, hours.zone).astimezone(UTC)
            spans.append((start, datetime.combine(day + over_night, hours.end, hours.zone).astimezone(UTC)))
        day += timedelta(days=1)
    return merged(clipped(spans, window))


def clipped(spans: Iterable[Span], window: Span) -> list[Span]:
    """The parts of spans that lie in a window."""
    inside = ((max(start, window[0]), min(end, window[1])) for start, end in spans)
    return [(start, end) for start, end in inside if start < end]


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in their order, those that touch or overlap as one."""
    result: list[Span] = []
    for start, end in sorted(spans):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What is left of spans."""
    left = list(spans)
    for start, end in taken:
        parts = ((one for one in ((a, min(b, start)), (max(a, end), b)) if one[0] < one[1]) for a, b in left)
        left = [one for pair in parts for one in pair]
    return left


def minutes(spans: Iterable[Span]) -> int:
    """How long spans are together, in whole minutes."""
    return sum((end - start for start, end in spans), timedelta()) // timedelta(minutes=1)
