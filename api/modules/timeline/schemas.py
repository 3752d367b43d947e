"""Shapes of timelines: everything that happened to one entity, in one list."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from api.schemas import Id, Output, PageInfo, PageQuery

Kind = Literal[
    "activity",
    "stage_changed",
    "amount_changed",
    "close_date_changed",
    "signal_raised",
    "signal_closed",
    "recommendation_acted",
    "lead_converted",
    "owner_changed",
    "created",
    "deleted",
    "restored",
    "merged",
    "unmerged",
]


def _kinds(value: str) -> str:
    unknown = set(value.split(",")) - set(get_args(Kind))
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    return value


class TimelineQuery(PageQuery):
    """Which part of a timeline."""

    kinds: Annotated[str, StringConstraints(max_length=300), AfterValidator(_kinds)] | None = Field(
        default=None, description=f"with commas between: {', '.join(get_args(Kind))}"
    )


class Item(Output):
    """Something that happened to an entity, or to one that belongs to it.

    `entity_type` and `entity_id` say to which. `data` depends on the kind: an activity has its kind, direction,
    subject, times and participants; a change `from` and `to`; a signal its type, title, severity, polarity and, if it
    is closed, why; a recommendation its action, title, status and who acted; a conversion what the lead became; what
    was done to a record, who did it and, where its owner changed, `from` and `to`.
    """

    id: Id
    kind: Kind
    at: datetime
    entity_type: Literal["account", "contact", "opportunity", "lead"]
    entity_id: Id
    data: dict[str, JsonValue]


class TimelinePage(Output):
    """A page of a timeline, latest first."""

    data: list[Item]
    page: PageInfo
