"""The stop limit: when too much of what came last has failed, and not before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.dead_letters.limit import StopLimit, TooManyDeadLetters


def feed(limit: StopLimit, *batches: tuple[int, int]) -> None:
    for handled, failed in batches:
        limit.note(handled=handled, failed=failed, reason="broken")


def test_a_broken_handler_is_noticed_in_one_batch() -> None:
    with pytest.raises(TooManyDeadLetters, match="20 of the last 30 events of probe fail: broken"):
        feed(StopLimit("probe"), (10, 20))


def test_and_across_batches_of_one() -> None:
    limit = StopLimit("probe")
    feed(limit, *[(0, 1)] * 19)
    with pytest.raises(TooManyDeadLetters):
        feed(limit, (0, 1))


def test_much_that_went_well_does_not_hide_what_goes_wrong_now() -> None:
    limit = StopLimit("probe")
    feed(limit, *[(500, 0)] * 10, *[(0, 1)] * 19)
    with pytest.raises(TooManyDeadLetters, match="20 of the last 20"):
        feed(limit, (0, 1))


@pytest.mark.parametrize("batches", [[(0, 19)], [(20, 20)], [(1, 1)] * 200, [(900, 100)] * 50, [(0, 0)] * 5])
def test_few_failures_or_no_more_than_half_are_no_reason_to_stop(batches: list[tuple[int, int]]) -> None:
    feed(StopLimit("probe"), *batches)


def test_what_left_the_window_is_forgotten() -> None:
    limit = StopLimit("probe", ratio=0.1, at_least=2, window=10)
    feed(limit, (0, 1), (10, 0), (10, 0))
    feed(limit, (0, 1))
    with pytest.raises(TooManyDeadLetters):
        feed(limit, (5, 1))


def test_who_tripped_begins_anew() -> None:
    limit = StopLimit("probe")
    with pytest.raises(TooManyDeadLetters):
        feed(limit, (0, 20))
    feed(limit, (0, 19))


def test_to_ask_is_not_to_count() -> None:
    limit = StopLimit("probe")
    for _ in range(5):
        limit.check(handled=0, failed=19, reason="broken")
    feed(limit, (0, 19))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40))
def test_it_trips_exactly_when_some_stretch_up_to_now_is_bad(batches: list[tuple[int, int]]) -> None:
    limit = StopLimit("probe", ratio=0.5, at_least=20, window=10_000)
    for number, batch in enumerate(batches, start=1):
        stretches = [batches[start:number] for start in range(number)]
        sums = [(sum(g + b for g, b in part), sum(b for _, b in part)) for part in stretches]
        if batch[1] and any(bad >= 20 and bad > all_ / 2 for all_, bad in sums):
            with pytest.raises(TooManyDeadLetters):
                feed(limit, batch)
            return
        feed(limit, batch)
