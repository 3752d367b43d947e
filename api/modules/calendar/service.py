"""What people have planned, how busy that makes them, and when they are free."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from api.modules.calendar.hours import Hours, Span, clipped, hours_of, merged, minutes, without, working
from api.modules.calendar.repository import MAX_ENTRIES, CalendarRepository, Found
from bevyly.db.read import Reader
from bevyly.errors import Invalid

# 62 days are an hour longer where clocks go back in between.
LONGEST = timedelta(days=62, hours=1)
NOBODY = {
    "id": None,
    "name": None,
    "timezone": "UTC",
    "working_hours": {"days": [], "start": "00:00", "end": "00:00"},
}
"""Who has what nobody owns: without working time."""
Entries = list[dict[str, Any]]


class CalendarService:
    """Calendars of one tenant at one instant."""

    def __init__(self, reader: Reader, customer_id: str, now: datetime) -> None:
        self._calendars = CalendarRepository(reader, customer_id)
        self._now = now

    async def calendar(self, start: datetime | None, end: datetime | None, owner: str | None) -> dict[str, Any]:
        """The agendas of a window; raises `Invalid` for one that is too long or ends before it starts."""
        found = await self._find(start, end, owner)
        shown = _by_person(found.entries[:MAX_ENTRIES])
        agendas = [
            _agenda(person, shown.pop(person["id"], []), found.window)
            for person in found.people
            if owner is not None or person["id"] in shown
        ]
        if owner is None and None in shown:
            agendas.append(_agenda(NOBODY, shown[None], found.window))
        return _window(found) | {"truncated": len(found.entries) > MAX_ENTRIES, "data": agendas}

    async def availability(
        self, start: datetime | None, end: datetime | None, owner: str, *, at_least: int
    ) -> dict[str, Any]:
        """When somebody is free, from now on, for `at_least` so many minutes; raises `Invalid` as above."""
        found = await self._find(start, end, owner)
        busy = merged(span for entry in found.entries if (span := _taken(entry)))
        window = (max(found.window[0], self._now), found.window[1])
        free = [
            {
                "owner_id": person["id"],
                "timezone": person["timezone"],
                "slots": [
                    {"start": slot[0], "end": slot[1]}
                    for slot in without(working(_hours(person), window), busy)
                    if minutes([slot]) >= at_least
                ],
            }
            for person in found.people
        ]
        return _window(found) | {"data": free}

    async def _find(self, start: datetime | None, end: datetime | None, owner: str | None) -> Found:
        found = await self._calendars.find(start, end, owner, self._now)
        if not timedelta() < found.window[1] - found.window[0] <= LONGEST:
            raise Invalid("A window ends after it starts, and at most 62 days later.")
        return found


def _window(found: Found) -> dict[str, Any]:
    return {"from": found.window[0], "to": found.window[1]}


def _by_person(entries: Entries) -> dict[str | None, Entries]:
    people: dict[str | None, Entries] = defaultdict(list)
    for entry in entries:
        for person in entry["attendees"] or [None]:
            people[person].append(entry)
    return people


def _agenda(person: dict[str, Any], entries: Entries, window: Span) -> dict[str, Any]:
    busy = merged(clipped((span for entry in entries if (span := _taken(entry))), window))
    return {
        "owner_id": person["id"],
        "name": person["name"],
        "timezone": person["timezone"],
        "busy_minutes": minutes(busy),
        "free_minutes": minutes(without(working(_hours(person), window), busy)),
        "entries": [{name: value for name, value in entry.items() if name != "attendees"} for entry in entries],
    }


def _taken(entry: dict[str, Any]) -> Span | None:
    if entry["end"] is None:
        return None
    return datetime.fromisoformat(entry["start"]), datetime.fromisoformat(entry["end"])


def _hours(person: dict[str, Any]) -> Hours:
    return hours_of(person["timezone"], person["working_hours"])
