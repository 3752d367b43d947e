"""Shapes of calendars and of free time."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schemas import Id, Input, Instant, Output


class CalendarQuery(Input):
    """Whose calendar, and from when to when: at most 62 days; a week from today on where nothing is said."""

    start: Instant | None = Field(default=None, alias="from", description="the start of today where left out")
    end: Instant | None = Field(default=None, alias="to", description="seven days later where left out")
    owner_id: Id | None = Field(default=None, description="everybody who has something in the window where left out")


class AvailabilityQuery(CalendarQuery):
    """Whose free time."""

    owner_id: Id | None = Field(default=None, description="who is asking, where left out")
    minutes: int = Field(default=30, ge=5, le=24 * 60, description="how long a slot is at least")


class Entry(Output):
    """A meeting, a call that is planned, or a task that is due; a task takes no time and has no `end`."""

    id: Id
    kind: Literal["meeting", "call", "task"]
    subject: str | None
    start: datetime
    end: datetime | None
    completed_at: datetime | None
    owner_id: Id | None
    account_id: Id | None
    contact_id: Id | None
    opportunity_id: Id | None
    lead_id: Id | None


class Agenda(Output):
    """What somebody has in the window, and how much of their working time it takes."""

    owner_id: Id | None = Field(description="null: nobody owns these")
    name: str | None
    timezone: str
    busy_minutes: int = Field(description="in meetings and calls, each minute once")
    free_minutes: int = Field(description="of their working hours")
    entries: list[Entry]


class Calendar(Output):
    """Calendars of a window. Somebody has what they own, and what they take part in and have not declined."""

    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    truncated: bool = Field(description="whether there is more than 5,000 entries, and later ones are left out")
    data: list[Agenda]


class Slot(Output):
    """Time that is free."""

    start: datetime
    end: datetime


class Free(Output):
    """When somebody is free within their working hours."""

    owner_id: Id
    timezone: str
    slots: list[Slot]


class Availability(Output):
    """Free time of a window, from now on."""

    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    data: list[Free]
