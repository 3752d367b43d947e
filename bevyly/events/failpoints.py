"""Failpoints: named places where a test can let a process die, chosen by an environment variable.

`BEVYLY_FAILPOINT=after_flush:3` kills the process, as the system would, the third time it comes by. Random kills
miss windows of milliseconds; these do not.
"""

import os
import signal
from collections import Counter
from functools import lru_cache

VARIABLE = "BEVYLY_FAILPOINT"
_visits: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Die here if the environment says so; otherwise nothing."""
    chosen = _chosen()
    if chosen is not None and chosen[0] == name:
        _visits[name] += 1
        if _visits[name] == chosen[1]:
            os.kill(os.getpid(), signal.SIGKILL)


@lru_cache(maxsize=1)
def _chosen() -> tuple[str, int] | None:
    name, _, visit = os.environ.get(VARIABLE, "").partition(":")
    return (name, int(visit or 1)) if name else None
