"""Shapes of merges."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from api.schemas import Id, Input, Output, PageInfo, PageQuery

Kind = Literal["account", "contact", "lead"]
FieldName = Annotated[str, StringConstraints(min_length=1, max_length=110)]
Version = Annotated[int, Field(ge=1, lt=2**31)]


class MergeRequest(Input):
    """What goes into the record of the path, and whose value each field takes."""

    other_ids: list[Id] = Field(min_length=1, max_length=10, description="the records that go")
    fields: dict[FieldName, Id] = Field(
        default_factory=dict,
        max_length=200,
        description="the record whose value a field takes (`custom.<key>` for one of your own); "
        "otherwise the survivor's value, or the first there is",
    )
    versions: dict[Id, Version] = Field(
        default_factory=dict, max_length=11, description="versions that you have read: others are refused (412)"
    )


class UnmergeRequest(Input):
    """Which merge to take back."""

    merge_id: Id


class MergeResult(Output):
    """A merge that was done."""

    merge_id: Id
    kind: Kind
    survivor_id: Id
    absorbed_ids: list[Id]
    changed: list[str] = Field(description="fields of the survivor that have another value now")
    moved: dict[str, int] = Field(description="how many rows were re-pointed, by table and column")
    version: int


class UnmergeResult(Output):
    """A merge that was taken back."""

    merge_id: Id
    kind: Kind
    survivor_id: Id
    released_ids: list[Id]
    changed: list[str] = Field(description="fields of the survivor that were put back")
    moved: dict[str, int] = Field(description="how many rows went back, by table and column")
    version: int


class MergeQuery(PageQuery):
    """Which merges."""

    kind: Kind | None = None
    survivor_id: Id | None = None


class Merge(Output):
    """A merge, and whether it was taken back."""

    id: Id
    kind: Kind
    survivor_id: Id
    absorbed_ids: list[Id]
    before: dict[str, Any]
    after: dict[str, Any]
    merged_by: Id
    undone_at: datetime | None
    undone_by: Id | None
    created_at: datetime


class MergePage(Output):
    """A page of merges, newest first."""

    data: list[Merge]
    page: PageInfo
