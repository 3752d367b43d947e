"""Working time of simulated teams: a real number of working days, and the instant that it stands for.

Simulated work is drawn in working days, so that nights and weekends are empty and order is kept.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_HOURS: Final = 9.0
_OPENS: Final = 8.0
_DAY: Final = 86_400_000_000
_HOUR: Final = 3_600_000_000


@dataclass(frozen=True)
class WorkingTime:
    """Working days counted from Monday `begin`; five in a week, each from 8 to 17 o'clock UTC."""

    begin: datetime

    @classmethod
    def ending(cls, until: datetime, *, months: int) -> "WorkingTime":
        """The calendar of `months` months before `until`, from a Monday."""
        day = (until - timedelta(days=30 * months)).date()
        monday = day - timedelta(days=day.weekday())
        return cls(datetime(monday.year, monday.month, monday.day, tzinfo=UTC))

    def instants(self, days: Floats) -> NDArray[np.datetime64]:
        """The instants (UTC, microseconds) at which so many working days have passed."""
        week, weekday = np.divmod(np.floor(days), 5)
        hours = _OPENS + _HOURS * (days - np.floor(days))
        micros = (week * 7 + weekday) * _DAY + hours * _HOUR
        return np.datetime64(self.begin.replace(tzinfo=None), "us") + micros.astype("timedelta64[us]")

    def days(self, instant: datetime) -> float:
        """Working days that have passed at `instant`."""
        passed = instant - self.begin
        week, weekday = divmod(passed.days, 7)
        hours = np.clip(passed.seconds / 3600 - _OPENS, 0, _HOURS) / _HOURS
        return float(week * 5 + (min(weekday + hours, 5.0)))
