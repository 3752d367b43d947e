"""Shapes of one's own profile."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.schemas import AttentionBudget, Id, Input, Name, Output, Timezone, WorkingHours

Locale = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$")]
Channel = Literal["email", "in_app"]
Channels = Annotated[list[Channel], Field(max_length=2)]


class Notifications(Input):
    """Over which channels one wants to hear of what; an empty list means not at all."""

    briefing: Channels = Field(default_factory=list)
    signals: Channels = Field(default_factory=list)
    assignments: Channels = Field(default_factory=list)


class ProfileChange(Input):
    """What to change; null means as the tenant has it."""

    name: Name | None = None
    timezone: Timezone | None = None
    locale: Locale | None = None
    working_hours: WorkingHours | None = None
    notifications: Notifications = Field(default_factory=Notifications)
    attention_budget: AttentionBudget | None = None


class Profile(Output):
    """Who I am to the others, and how I want to be served."""

    user_id: Id
    email: str
    name: str | None
    role: str
    timezone: str | None
    locale: str | None
    working_hours: WorkingHours | None
    notifications: Notifications
    attention_budget: int | None
    version: int
