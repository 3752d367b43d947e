"""What a calendar is made of, in one statement."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from api.modules.calendar.hours import Span
from bevyly.db.read import Reader

MAX_ENTRIES = 5000


@dataclass(frozen=True)
class Found:
    """People with their hours, and what lies in a window, by its start. `attendees` of an entry are ids of users."""

    window: Span
    people: list[dict[str, Any]]
    entries: list[dict[str, Any]]


class CalendarRepository:
    """Calendars of one tenant."""

    def __init__(self, reader: Reader, customer_id: str) -> None:
        self._reader = reader
        self._customer_id = customer_id

    async def find(self, start: datetime | None, end: datetime | None, owner: str | None, now: datetime) -> Found:
        """What lies in a window: of everybody, or of one user. Where the window has no start or end, it gets one."""
        row = await self._reader.one("api_calendar", self._customer_id, start, end, owner, now, MAX_ENTRIES + 1)
        assert row is not None
        window_start, window_end, people, entries = row
        return Found((window_start, window_end), orjson.loads(people), orjson.loads(entries))
