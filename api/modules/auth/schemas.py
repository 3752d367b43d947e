"""Shapes of sign-up, log-in, tokens, sessions and passwords."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, SecretStr, StrictBool

from api.schemas import Email, Id, Input, Name, Output, PageInfo, PageQuery
from bevyly.identity.passwords import MAX_LENGTH, MIN_LENGTH

NewPassword = Annotated[
    SecretStr, Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH, description="not one that is easy to guess")
]
Password = Annotated[SecretStr, Field(min_length=1, max_length=MAX_LENGTH)]
Token = Annotated[str, Field(min_length=1, max_length=200)]


class SignUp(Input):
    """A new tenant and its owner."""

    company: Name
    name: Name | None = None
    email: Email
    password: NewPassword


class LogIn(Input):
    """Who wants in. One email may have a log-in at several tenants: `customer_id` says which is meant."""

    email: Email
    password: Password
    customer_id: Id | None = None


class Refresh(Input):
    """A refresh token; it works once."""

    refresh_token: Token


class LogOut(Input):
    """What to end: the chain of one refresh token, every session of the user, or else the one that asks."""

    refresh_token: Token | None = None
    everywhere: StrictBool = False


class Tokens(Output):
    """A pair of tokens."""

    access_token: str
    refresh_token: str
    token_type: str = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int


class Me(Output):
    """Who is asking."""

    user_id: Id
    customer_id: Id
    customer: str
    email: str
    email_verified: bool
    name: str | None
    role: str
    permissions: list[str]


class Session(Output):
    """Where somebody is logged in; `current` is the session that asks."""

    id: Id
    user_agent: str | None
    address: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool


class SessionPage(Output):
    """A page of sessions, newest first."""

    data: list[Session]
    page: PageInfo


class SessionQuery(PageQuery):
    """My sessions."""


class ForgotPassword(Input):
    """Who forgot the password. The answer is the same whether anybody has this email."""

    email: Email


class ResetPassword(Input):
    """The token of the mail, and the new password."""

    token: Token
    password: NewPassword


class UseLink(Input):
    """The token of the mail."""

    token: Token


class ChangePassword(Input):
    """A new password in place of the present one."""

    old_password: Password
    password: NewPassword


class ChangeEmail(Input):
    """A new email, which counts once it is confirmed there."""

    email: Email
    password: Password
