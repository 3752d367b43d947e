"""Shapes of sign-up, log-in and tokens."""

from pydantic import Field, SecretStr

from api.schemas import Email, Id, Input, Name, Output


class SignUp(Input):
    """A new tenant and its owner."""

    company: Name
    name: Name | None = None
    email: Email
    password: SecretStr = Field(min_length=12, max_length=200)


class LogIn(Input):
    """Who wants in. One email may have a log-in at several tenants: `customer_id` says which is meant."""

    email: Email
    password: SecretStr = Field(min_length=1, max_length=200)
    customer_id: Id | None = None


class Refresh(Input):
    """A refresh token; it works once."""

    refresh_token: str = Field(min_length=1, max_length=200)


class LogOut(Input):
    """What to end: the chain of one refresh token, or every session of the user."""

    refresh_token: str | None = Field(default=None, min_length=1, max_length=200)
    everywhere: bool = False


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
    name: str | None
    role: str
    permissions: list[str]
