"""Moving a log of the past to the present, so that its open deals are open today.

By whole weeks only: hours and days of the week, which matter to sales work, stay what they were. The shift is worked
out once, at the first load into a tenant, and kept; see `progress`.
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl

WEEK = timedelta(weeks=1)


def weeks_to_present(*, last: datetime, now: datetime) -> int:
    """Whole weeks by which to move a log, so that its last event lies within the seven days before `now`."""
    return (now - last) // WEEK


def shifted(instant: pl.Expr, weeks: int) -> pl.Expr:
    """`instant` moved by `weeks`."""
    return instant + pl.lit(weeks * WEEK)


def end_of(day: date | None) -> datetime:
    """The first instant after `day` in UTC; the end of time where there is none."""
    if day is None:
        return datetime.max.replace(tzinfo=UTC)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
