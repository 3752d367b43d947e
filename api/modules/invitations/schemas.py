"""Shapes of invitations."""

from datetime import datetime

from pydantic import Field, SecretStr

from api.modules.users.schemas import Role
from api.schemas import Email, Id, Input, Name, Output, PageInfo, PageQuery


class InvitationCreate(Input):
    """Whom to invite as what; never above your own role."""

    email: Email
    role: Role
    team_id: Id | None = None


class Acceptance(Input):
    """The token of the mail, and how one wants to come in from now on."""

    token: str = Field(min_length=1, max_length=200)
    name: Name | None = None
    password: SecretStr = Field(min_length=12, max_length=200)


class InvitationQuery(PageQuery):
    """Which invitations."""

    pending: bool | None = Field(default=None, description="whether they were neither accepted nor revoked")


class Invitation(Output):
    """An invitation."""

    id: Id
    email: str
    role: Role
    team_id: Id | None
    invited_by: Id
    sent_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    revoked_at: datetime | None
    user_id: Id | None
    created_at: datetime


class InvitationPage(Output):
    """A page of invitations, newest first."""

    data: list[Invitation]
    page: PageInfo


class Accepted(Output):
    """Who one is now: log in with the email and the new password."""

    user_id: Id
    customer_id: Id
    email: str
    role: Role
