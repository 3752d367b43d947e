"""When a step is due: its wait, and the hours in which things are sent. Pure, and right where clocks change."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from api.modules.calendar.hours import Hours, Span, hours_of, working

LOOK_AHEAD = timedelta(days=9)
LAST_MINUTE = timedelta(minutes=1)
"""Nothing begins in the last minute of a window: it has to leave within it."""


def sending_hours(window: Mapping[str, Any] | None, zone: str, working_hours: Mapping[str, Any] | None) -> Hours:
    """The window of a sequence, or else the working hours of the tenant, in their time zone."""
    if window is not None:
        return hours_of(window.get("timezone") or zone, window)
    return hours_of(zone, working_hours if working_hours and working_hours["days"] else None)


def opening(hours: Hours, at: datetime) -> Span:
    """The next time to send: from `at`, or from when a window opens, until it closes."""
    spans = working(hours, (at, at + LOOK_AHEAD))
    return next((start, end) for start, end in spans if end - start >= LAST_MINUTE)


def due(hours: Hours, step: Mapping[str, Any], after: datetime) -> datetime:
    """When a step is due after what came before: days are those of the calendar, hours are hours."""
    local = after.astimezone(hours.zone).replace(tzinfo=None) + timedelta(days=step["wait_days"])
    at = local.replace(tzinfo=hours.zone).astimezone(UTC) if step["wait_days"] else after
    return opening(hours, at + timedelta(hours=step["wait_hours"]))[0]
