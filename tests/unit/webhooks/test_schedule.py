"""When a delivery is tried again."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from pipelines.webhooks.schedule import DELAYS, LONGEST_WAIT, SPREAD, TRIES, next_try

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.mark.parametrize("tries", range(1, TRIES))
def test_each_wait_is_spread_around_its_own_length(tries: int) -> None:
    waits = set()
    for seed in range(50):
        again = next_try(tries, now=NOW, chance=Random(seed))
        assert again is not None
        waits.add(again - NOW)
    assert DELAYS[tries - 1] * (1 - SPREAD) <= min(waits) < max(waits) <= DELAYS[tries - 1] * (1 + SPREAD)
    assert len(waits) == 50


def test_the_eighth_is_the_last() -> None:
    assert TRIES == 8
    assert next_try(8, now=NOW, chance=Random(1)) is None
    assert next_try(8, now=NOW, chance=Random(1), retry_after=5) is None
    assert timedelta(hours=24) < sum(DELAYS, timedelta()) < timedelta(hours=30)


@pytest.mark.parametrize(("asked", "waits"), [(3600.0, timedelta(hours=1)), (1e12, LONGEST_WAIT)])
def test_a_receiver_may_ask_for_more_within_bounds(asked: float, waits: timedelta) -> None:
    assert next_try(1, now=NOW, chance=Random(1), retry_after=asked) == NOW + waits


def test_but_not_for_less() -> None:
    again = next_try(3, now=NOW, chance=Random(1), retry_after=1)
    assert again is not None
    assert again > NOW + timedelta(minutes=20)
