"""Shapes of opportunities and their history."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from api.query.schemas import ListPage, ListQuery
from api.schemas import (
    Currency,
    Custom,
    Day,
    Id,
    Input,
    Minor,
    Name,
    Output,
    TaggedOutput,
    Tags,
    Text50,
    Text100,
)

Status = Literal["open", "won", "lost"]


class OpportunityChange(Input):
    """Fields of an opportunity to change; those left out stay, `custom` is replaced as a whole."""

    account_id: Id = Field(default_factory=str)
    contact_id: Id | None = None
    lead_id: Id | None = None
    name: Name = Field(default_factory=str)
    stage: Text50 = Field(
        default_factory=str,
        description="key of a stage of the tenant's pipelines, at first the first of the default one; its kind says "
        "whether the deal is open",
    )
    value_minor: Minor | None = None
    currency: Currency | None = None
    expected_close_date: Day | None = None
    owner_id: Id | None = None
    external_id: Name | None = None
    tags: Tags = Field(default_factory=list)
    custom: Custom = Field(default_factory=dict)


class OpportunityCreate(OpportunityChange):
    """A new opportunity."""

    account_id: Id = Field()
    name: Name = Field()


class OpportunityQuery(ListQuery):
    """Which opportunities."""

    owner_id: Id | None = None
    account_id: Id | None = None
    status: Status | None = None
    stage: Text50 | None = None
    q: Text100 | None = Field(default=None, description="what the name starts with")


class Opportunity(TaggedOutput):
    """An opportunity."""

    account_id: Id
    contact_id: Id | None
    lead_id: Id | None
    name: str
    stage: str
    status: Status
    value_minor: int | None
    currency: str | None
    expected_close_date: date | None
    stage_entered_at: datetime
    closed_at: datetime | None
    owner_id: Id | None


class OpportunityPage(ListPage):
    """A page of opportunities, newest first."""

    data: list[Opportunity]


class HistoryEntry(Output):
    """One value that a field had, from when to when."""

    id: Id
    field: Literal["stage", "expected_close_date", "value"]
    old_value: str | None
    new_value: str | None
    valid_from: datetime
    valid_to: datetime | None
    recorded_at: datetime
    event_id: Id | None


class HistoryPage(Output):
    """The history of one opportunity, oldest first."""

    data: list[HistoryEntry]
