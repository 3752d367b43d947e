"""Shapes of API keys."""

from datetime import datetime

from pydantic import Field

from api.schemas import Id, Input, Instant, Name, Output, PageInfo, PageQuery, Text50


class KeyCreate(Input):
    """A new key: never wider than who creates it."""

    name: Name
    scopes: list[Text50] = Field(min_length=1, max_length=100, description="permissions, such as `accounts:read`")
    expires_at: Instant | None = None


class KeyRotate(Input):
    """A key in place of another, which goes on for a while: a program takes the new one in its own time."""

    overlap_hours: int | None = Field(default=None, ge=0, le=720, description="24 unless said otherwise; 0 ends it now")


class Key(Output):
    """An API key, without its secret."""

    id: Id
    name: str
    prefix: str
    scopes: list[str]
    user_id: Id
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    rotated_to: Id | None
    created_at: datetime


class NewKey(Output):
    """A new API key. Its text is shown this once."""

    id: Id
    name: str
    prefix: str
    scopes: list[str]
    expires_at: datetime | None
    key: str


class KeyPage(Output):
    """A page of API keys, newest first."""

    data: list[Key]
    page: PageInfo


class KeyQuery(PageQuery):
    """Which keys: one's own, or for owners and admins those of all."""
