"""Shapes of tags."""

from pydantic import Field

from api.schemas import Input, Output, Tag


class TagUse(Output):
    """A tag and how often it is used."""

    tag: str
    total: int
    kinds: dict[str, int] = Field(description="records of each kind that you may read")


class TagList(Output):
    """The tags in use, the most used first; at most 1,000."""

    data: list[TagUse]


class TagRemoval(Input):
    """A tag to take from all records."""

    tag: Tag


class TagRename(TagRemoval):
    """A tag that gets another name on all records; where the other is there already, they become one."""

    to: Tag


class TagProgress(Output):
    """What one call did. Call again while `more` is true."""

    changed: int
    more: bool
