"""Shapes of duplicates."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field

from api.schemas import Id, Input, Output, PageInfo, PageQuery

Kind = Literal["account", "contact", "lead"]
AllowDuplicates = Annotated[
    bool,
    Query(description="create or change the record though it is probably there already (409 `possible_duplicate`)"),
]


class DuplicateQuery(PageQuery):
    """Which duplicates."""

    kind: Kind = "account"


class Dismissal(Input):
    """Records that are not the same, each with each other."""

    kind: Kind
    ids: list[Id] = Field(min_length=2, max_length=10)


class DuplicateCandidate(Output):
    """A record that may be the same as another one."""

    id: Id
    kind: Kind
    title: str
    matched: list[str] = Field(description="what matched: `domain`, `email`, `phone`, `name`, `similar_name` …")
    score: float


class DuplicateGroup(Output):
    """A record and those before it that may be the same."""

    id: Id
    kind: Kind
    title: str
    score: float = Field(description="that of the likeliest candidate")
    candidates: list[DuplicateCandidate]


class DuplicatePage(Output):
    """Groups whose record is one of a page of records, newest first: a page may be short, or empty, and yet go on."""

    data: list[DuplicateGroup]
    page: PageInfo
