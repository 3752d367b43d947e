"""What dates mean: days and periods are spans of time, from their first moment to the next one's; moments are not.

Names and offsets count from the `now` of the asker and in their time zone; weeks begin on Monday (ISO 8601).
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from api.query.errors import InvalidFilter
from api.query.tree import MOMENTS, PERIODS, Day, Instant, Literal, Named, Offset

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_WHICH = {"last": -1, "this": 0, "next": 1}
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Asker:
    """Who asks, when, and where the days begin."""

    user_id: str
    now: datetime
    zone: ZoneInfo


@dataclass(frozen=True)
class Span:
    """From `start` until before `end`; a moment where there is no `end`. Both are in the asker's zone."""

    start: datetime
    end: datetime | None = None


def span(literal: Literal, asker: Asker) -> Span | None:
    """The time that a literal names, or None for one that names none; raises `InvalidFilter` outside of 1900–2299."""
    try:
        found = _span(literal, asker)
        inside = found is None or EARLIEST <= found.start.astimezone(UTC) < LATEST
    except (OverflowError, ValueError):
        inside = False
    if not inside:
        raise InvalidFilter(f"{literal} lies outside of the years 1900 to 2299.", position=literal.position)
    return found


def _span(literal: Literal, asker: Asker) -> Span | None:
    if isinstance(literal, Day):
        return _days(literal.value, literal.value + timedelta(days=1), asker.zone)
    if isinstance(literal, Instant):
        return Span(literal.value.astimezone(asker.zone))
    local = asker.now.astimezone(asker.zone)
    if isinstance(literal, Offset):
        return Span(_moved(local, literal))
    return _named(literal.name, local, asker.zone) if isinstance(literal, Named) else None


def _named(name: str, local: datetime, zone: ZoneInfo) -> Span | None:
    if name in PERIODS:
        return _days(*_period(name, local.date()), zone)
    if name in MOMENTS:
        unit = name.removeprefix("start_of_")
        if unit == "now":
            return Span(local)
        first = local.date() if unit == "day" else _period(f"this_{unit}", local.date())[0]
        return Span(_midnight(first, zone))
    return None


def _moved(local: datetime, offset: Offset) -> datetime:
    if offset.unit == "h":
        # hours pass whatever the clocks on the wall do
        return (local.astimezone(UTC) + timedelta(hours=offset.count)).astimezone(local.tzinfo)
    if offset.unit in ("d", "w"):
        return local + timedelta(days=offset.count * (7 if offset.unit == "w" else 1))
    first = _months_later(local.date().replace(day=1), offset.count * (12 if offset.unit == "y" else 1))
    return local.replace(year=first.year, month=first.month, day=min(local.day, monthrange(first.year, first.month)[1]))


def _period(name: str, today: date) -> tuple[date, date]:
    if name in _DAYS:
        first = today + timedelta(days=_DAYS[name])
        return first, first + timedelta(days=1)
    which, _, unit = name.partition("_")
    if unit == "week":
        first = today - timedelta(days=today.weekday()) + timedelta(weeks=_WHICH[which])
        return first, first + timedelta(weeks=1)
    months = _MONTHS[unit]
    this = date(today.year, (today.month - 1) // months * months + 1, 1)
    first = _months_later(this, months * _WHICH[which])
    return first, _months_later(first, months)


def _months_later(first: date, months: int) -> date:
    years, month = divmod(first.month - 1 + months, 12)
    return date(first.year + years, month + 1, 1)


def _days(first: date, after: date, zone: ZoneInfo) -> Span:
    return Span(_midnight(first, zone), _midnight(after, zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)
