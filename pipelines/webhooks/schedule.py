"""When a delivery is tried: eight times over about a day, as Svix does, spread by chance lest retries march in step."""

from datetime import datetime, timedelta
from random import Random

DELAYS = tuple(
    timedelta(**delay)
    for delay in (
        {"seconds": 5},
        {"minutes": 5},
        {"minutes": 30},
        {"hours": 2},
        {"hours": 5},
        {"hours": 10},
        {"hours": 10},
    )
)
"""Waits after the first, second … try; the first try comes at once."""
TRIES = len(DELAYS) + 1
SPREAD = 0.2
LONGEST_WAIT = timedelta(hours=24)
"""More than this is not waited because a receiver asks for it."""


def next_try(tries: int, *, now: datetime, chance: Random, retry_after: float | None = None) -> datetime | None:
    """When to try again after `tries` failed ones, not before `retry_after` seconds; None when that was the last."""
    if tries >= TRIES:
        return None
    wait = DELAYS[tries - 1] * chance.uniform(1 - SPREAD, 1 + SPREAD)
    asked = min(timedelta(seconds=min(retry_after or 0.0, LONGEST_WAIT.total_seconds())), LONGEST_WAIT)
    return now + max(wait, asked)
