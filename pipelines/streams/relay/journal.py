"""The journal's partitions: made ahead and dropped when old, by whoever leads, when it begins and every hour.

The work is the owner's function `maintain_event_journal`; it never waits long for a lock, and says what it left undone.
"""

import time
from collections.abc import Callable
from typing import Any

import psycopg
import structlog

HOURLY_SECONDS = 3_600.0
POSTPONED_SECONDS = 60.0

_MAINTAIN = "select made, dropped, postponed from maintain_event_journal(%s)"
_log = structlog.get_logger()


class JournalKeeper:
    """Calls for maintenance when it is due."""

    def __init__(self, days: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._days = days
        self._clock = clock
        self._due = clock()

    def keep(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        """Make and drop partitions if that is due; sooner again where a reader was in the way."""
        if self._clock() < self._due:
            return
        made, dropped, postponed = connection.execute(_MAINTAIN, (self._days,)).fetchone() or (0, 0, 0)
        if made or dropped or postponed:
            _log.info("journal", made=made, dropped=dropped, postponed=postponed)
        self._due = self._clock() + (POSTPONED_SECONDS if postponed else HOURLY_SECONDS)
