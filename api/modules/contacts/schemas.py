"""Shapes of contacts."""

from pydantic import Field

from api.query.schemas import ListPage, ListQuery
from api.schemas import Custom, Email, Id, Input, Name, Text50, Text100, VersionedOutput


class ContactChange(Input):
    """Fields of a contact to change; those left out stay, `custom` is replaced as a whole."""

    account_id: Id | None = None
    first_name: Text100 | None = None
    last_name: Text100 | None = None
    email: Email | None = None
    phone: Text50 | None = None
    title: Name | None = None
    seniority: Text50 | None = None
    role: Text50 | None = Field(default=None, description="buying role: champion, decision_maker, user …")
    owner_id: Id | None = None
    external_id: Name | None = None
    custom: Custom = Field(default_factory=dict)


class ContactCreate(ContactChange):
    """A new contact."""


class ContactQuery(ListQuery):
    """Which contacts."""

    owner_id: Id | None = None
    account_id: Id | None = None
    q: Text100 | None = Field(default=None, description="what the email or the last name starts with")


class Contact(VersionedOutput):
    """A contact."""

    account_id: Id | None
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    title: str | None
    seniority: str | None
    role: str | None
    owner_id: Id | None


class ContactPage(ListPage):
    """A page of contacts, newest first."""

    data: list[Contact]
