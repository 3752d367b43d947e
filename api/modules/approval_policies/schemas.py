"""Shapes of approval policies."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from api.schemas import Currency, Id, Input, Minor, Output, PageInfo, PageQuery

Action = Literal["source_leads", "enrich_account", "draft_email", "make_call"]
Audience = Literal["lead", "prospect", "customer"]
Requires = Literal["nothing", "approval", "manager"]


class PolicyQuery(PageQuery):
    """Which policies."""

    in_force: bool | None = None


class PolicyCreate(Input):
    """What a person must allow. Of policies that fit, the strictest holds; of equally strict ones, the oldest."""

    requires: Requires = Field(
        description="`approval`: by anybody who may decide; `manager`: by an owner or an admin; `nothing`: it is "
        "approved at once, and kept with its hash"
    )
    action: Action | None = Field(default=None, description="what an agent does; null is anything")
    audience: Audience | None = Field(
        default=None,
        description="whom it is about: a lead, or somebody of a company that has bought from you (`customer`) or not "
        "(`prospect`). Null is anybody; `nothing` fits only where it is about nobody else",
    )
    amount_minor: Minor | None = Field(
        default=None,
        description="what is at stake, the greatest open deal of the company or the value of the lead: `nothing` fits "
        "below it, the others from it on, and where a value is missing or of another currency",
    )
    currency: Currency | None = None

    @model_validator(mode="after")
    def _whole_amount(self) -> Self:
        if (self.amount_minor is None) != (self.currency is None):
            raise ValueError("amount_minor and currency go together")
        return self


class Policy(Output):
    """A policy as it was made: it is not changed, another takes its place. After `ended_at` it is not in force."""

    id: Id
    requires: Requires
    action: Action | None
    audience: Audience | None
    amount_minor: int | None
    currency: str | None
    created_by: Id
    created_at: datetime
    ended_at: datetime | None
    version: int


class PolicyPage(Output):
    """A page of policies, newest first."""

    data: list[Policy]
    page: PageInfo
