"""Shapes of requests of people."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from api.schemas import Email, Id, Input, Output, PageInfo, PageQuery

Kind = Literal["export", "erasure"]
Status = Literal["queued", "previewed", "confirmed", "settling", "done", "expired", "failed", "cancelled"]


class PrivacyRequestCreate(Input):
    """What is asked, and for whom: all that is named is one person, with every record that has their address."""

    kind: Kind
    email: Email | None = None
    contact_id: Id | None = Field(default=None, description="also one that is deleted")
    lead_id: Id | None = Field(default=None, description="also one that is deleted")

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.email is None and self.contact_id is None and self.lead_id is None:
            raise ValueError("name an email, a contact_id or a lead_id")
        return self


class PrivacyRequestQuery(PageQuery):
    """Which requests."""

    kind: Kind | None = None
    status: Status | None = None


class PrivacyRequest(Output):
    """A request and how far it is.

    An export goes from queued to done, and expires with its file. An erasure goes from queued to previewed, waits for
    its confirmation, erases and settles: what was under way meanwhile is erased when it has arrived.
    """

    id: Id
    kind: Kind
    status: Status
    found: dict[str, list[Id]] = Field(description="ids of the contacts, leads and users that are the person")
    counts: dict[str, int] = Field(description="rows with something of the person, by table")
    error: str | None
    size_bytes: int | None
    requested_by: Id
    confirmed_by: Id | None
    started_at: datetime | None
    settles_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class PrivacyRequestPage(Output):
    """Requests, newest first."""

    data: list[PrivacyRequest]
    page: PageInfo


class Purge(Input):
    """A deleted record that is to go for good."""

    kind: Literal["account", "contact", "lead", "opportunity", "activity"]
    record_id: Id
