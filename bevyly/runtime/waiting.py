"""Waiting for another process with a deadline. Not for application code: that takes an injected clock."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], bool], *, seconds: float, poll: float = POLL_SECONDS) -> bool:
    """Whether `condition` became true within `seconds`; it is asked at least once."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(poll)
    return True
