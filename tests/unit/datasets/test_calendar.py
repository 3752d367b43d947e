from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bevyly.datasets.calendar import end_of, weeks_to_present

INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is drawn


@given(last=INSTANTS, now=INSTANTS)
def test_the_last_event_lands_within_the_week_before_now(last: datetime, now: datetime) -> None:
    moved = last + timedelta(weeks=weeks_to_present(last=last, now=now))
    assert timedelta(0) <= now - moved < timedelta(days=7)
    assert (moved.weekday(), moved.timetz()) == (last.weekday(), last.timetz())


@pytest.mark.parametrize(
    ("day", "end"),
    [(date(2012, 1, 31), datetime(2012, 2, 1, tzinfo=UTC)), (None, datetime.max.replace(tzinfo=UTC))],
)
def test_a_day_counts_to_its_end(day: date | None, end: datetime) -> None:
    assert end_of(day) == end
