"""Shapes of accounts."""

from pydantic import Field

from api.query.schemas import ListPage, ListQuery
from api.schemas import (
    Count,
    Currency,
    Custom,
    Domain,
    Id,
    Input,
    Minor,
    Name,
    Text100,
    VersionedOutput,
)


class AccountChange(Input):
    """Fields of an account to change; those left out stay, `custom` is replaced as a whole."""

    name: Name = Field(default_factory=str)
    domain: Domain | None = None
    industry: Text100 | None = None
    employee_count: Count | None = None
    annual_revenue_minor: Minor | None = None
    currency: Currency | None = None
    country: Text100 | None = None
    city: Text100 | None = None
    owner_id: Id | None = None
    external_id: Name | None = None
    custom: Custom = Field(default_factory=dict)


class AccountCreate(AccountChange):
    """A new account."""

    name: Name = Field()


class AccountQuery(ListQuery):
    """Which accounts."""

    owner_id: Id | None = None
    q: Text100 | None = Field(default=None, description="what the name starts with")


class Account(VersionedOutput):
    """An account."""

    name: str
    domain: str | None
    industry: str | None
    employee_count: int | None
    annual_revenue_minor: int | None
    currency: str | None
    country: str | None
    city: str | None
    owner_id: Id | None


class AccountPage(ListPage):
    """A page of accounts, newest first."""

    data: list[Account]
