"""Shapes of pipelines and their stages."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from api.schemas import Id, Input, Name, Output, PageInfo, PageQuery, Text100

MAX_STAGES = 50
Kind = Literal["open", "won", "lost"]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]{0,49}$")]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class StageChange(Input):
    """What may be changed of a stage; its key and kind stay, because deals and their history hold them."""

    name: Text100 = Field(default_factory=str)
    probability: Probability = 0.0


class StageCreate(Input):
    """A new stage, before those that close a deal."""

    key: Key = Field(description="what deals and events hold; unique in the tenant, for ever")
    name: Text100
    probability: Probability
    kind: Kind = "open"


def _complete(stages: list[StageCreate]) -> list[StageCreate]:
    if {stage.kind for stage in stages} != {"open", "won", "lost"}:
        raise ValueError("a pipeline has stages of each kind: open, won, lost")
    if len({stage.key for stage in stages}) < len(stages):
        raise ValueError("each key stands once")
    return stages


class PipelineCreate(Input):
    """A new pipeline with its stages, in their order."""

    name: Name
    stages: Annotated[list[StageCreate], Field(max_length=MAX_STAGES), AfterValidator(_complete)]


class PipelineChange(Input):
    """What to change of a pipeline."""

    name: Name = Field(default_factory=str)
    is_default: Literal[True] = Field(default=True, description="the one that was the default is no longer")


class Order(Input):
    """Every stage that is not archived, in the wanted order."""

    stage_ids: list[Id] = Field(max_length=MAX_STAGES)


class Archiving(Input):
    """Where the open deals of a stage go before it ends."""

    move_to: Id | None = Field(default=None, description="an open stage, of any pipeline")


class StageOutput(Output):
    """A stage."""

    id: Id
    key: str
    name: str
    probability: float
    kind: Kind
    archived_at: datetime | None


class Pipeline(Output):
    """A pipeline with its stages in order, archived ones last."""

    id: Id
    name: str
    is_default: bool
    stages: list[StageOutput]
    version: int
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime


class PipelinePage(Output):
    """A page of pipelines, newest first."""

    data: list[Pipeline]
    page: PageInfo


class PipelineQuery(PageQuery):
    """Which pipelines: all."""


class Archived(Output):
    """How many deals were moved in this call, how many are left, and whether the stage has ended."""

    moved: int
    remaining: int
    archived: bool
