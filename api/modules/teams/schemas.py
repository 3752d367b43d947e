"""Shapes of teams."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool

from api.schemas import Id, Input, Name, Output, PageInfo, PageQuery

MAX_MEMBERS = 200


class Member(Input):
    """A user in a team; a lead sees the records of the whole team."""

    user_id: Id
    lead: StrictBool = False


def _each_once(members: list[Member]) -> list[Member]:
    if len({member.user_id for member in members}) < len(members):
        raise ValueError("a user is in a team once")
    return members


Members = Annotated[list[Member], Field(max_length=MAX_MEMBERS), AfterValidator(_each_once)]


class TeamCreate(Input):
    """A new team. A user may be in several."""

    name: Name
    members: Members = Field(default_factory=list)


class TeamChange(Input):
    """What to change; `members` are replaced as a whole."""

    name: Name = Field(default_factory=str)
    members: Members = Field(default_factory=list)


class MemberOutput(Output):
    """A user in a team."""

    user_id: Id
    lead: bool


class Team(Output):
    """A team."""

    id: Id
    name: str
    members: list[MemberOutput]
    version: int
    created_at: datetime
    updated_at: datetime


class TeamPage(Output):
    """A page of teams, newest first."""

    data: list[Team]
    page: PageInfo


class TeamQuery(PageQuery):
    """Which teams: all."""
