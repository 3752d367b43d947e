"""Shapes of leads and their conversion."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.query.schemas import ListPage, ListQuery
from api.schemas import (
    Currency,
    Custom,
    Day,
    Email,
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

OpenStatus = Literal["new", "working", "qualified", "disqualified"]


class LeadChange(Input):
    """Fields of a lead to change; those left out stay, `custom` is replaced as a whole."""

    company_name: Name | None = None
    contact_name: Name | None = None
    contact_email: Email | None = None
    phone: Text50 | None = None
    source: Text100 | None = None
    status: OpenStatus = Field(default="new", description="a lead is converted by its own route")
    value_minor: Minor | None = None
    currency: Currency | None = None
    account_id: Id | None = None
    contact_id: Id | None = None
    owner_id: Id | None = None
    external_id: Name | None = None
    tags: Tags = Field(default_factory=list)
    custom: Custom = Field(default_factory=dict)


class LeadCreate(LeadChange):
    """A new lead."""


class LeadQuery(ListQuery):
    """Which leads."""

    owner_id: Id | None = None
    account_id: Id | None = None
    status: OpenStatus | Literal["converted"] | None = None
    q: Text100 | None = Field(default=None, description="what the company or the email starts with")


class Lead(TaggedOutput):
    """A lead."""

    company_name: str | None
    contact_name: str | None
    contact_email: str | None
    phone: str | None
    source: str | None
    status: str
    value_minor: int | None
    currency: str | None
    account_id: Id | None
    contact_id: Id | None
    opportunity_id: Id | None
    converted_at: datetime | None
    score_at_conversion: float | None
    score_id_at_conversion: Id | None
    owner_id: Id | None


class LeadPage(ListPage):
    """A page of leads, newest first."""

    data: list[Lead]


class OpportunityOnConversion(Input):
    """The opportunity that a conversion creates."""

    name: Name = Field(default_factory=str)
    stage: Text50 = Field(default_factory=str, description="at first the first of the default pipeline")
    value_minor: Minor | None = None
    currency: Currency | None = None
    expected_close_date: Day | None = None
    owner_id: Id | None = None


class Conversion(Input):
    """How to convert: matching or new account and contact, and an opportunity on request."""

    account_id: Id | None = Field(default=None, description="convert into this account instead of a matching one")
    contact_id: Id | None = Field(default=None, description="convert into this contact instead of a matching one")
    opportunity: OpportunityOnConversion | None = Field(default=None, description="create this opportunity as well")


class ConversionResult(Output):
    """What a lead became."""

    lead_id: Id
    account_id: Id | None
    contact_id: Id | None
    opportunity_id: Id | None
    account_created: bool
    contact_created: bool
