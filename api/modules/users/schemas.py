"""Shapes of users."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schemas import Id, Input, Output, PageInfo, PageQuery

Role = Literal["owner", "admin", "member", "viewer"]


class UserChange(Input):
    """What may be changed of another user."""

    role: Role = Field(description="never above your own; whoever is logged in logs in again")


class Disabling(Input):
    """How somebody leaves."""

    transfer_to: Id | None = Field(default=None, description="who gets their accounts, contacts, deals and leads")


class Transfer(Input):
    """Who gets the records of a user."""

    transfer_to: Id


class UserQuery(PageQuery):
    """Which users."""

    role: Role | None = None
    disabled: bool | None = None
    team_id: Id | None = None


class Membership(Output):
    """A team that a user is in."""

    team_id: Id
    lead: bool


class User(Output):
    """A user of the tenant."""

    id: Id
    email: str
    name: str | None
    role: Role
    disabled_at: datetime | None
    can_log_in: bool
    teams: list[Membership]
    version: int
    created_at: datetime


class UserPage(Output):
    """A page of users, newest first."""

    data: list[User]
    page: PageInfo


class Transferred(Output):
    """How many records changed hands in this call, and how many are left for the next one."""

    moved: int
    remaining: int


class Disabled(Transferred):
    """A user who left, and what became of their records."""

    user_id: Id
    disabled_at: datetime
