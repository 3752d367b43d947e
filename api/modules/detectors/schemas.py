"""Shapes of detectors: what they are, where their lines are, how often they were right, and who is heard."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from api.schemas import Id, Input, Output

Source = Literal["default", "learned", "set"]


class StageLine(Output):
    """A threshold where one stage has its own."""

    stage: str
    value: float
    source: Source


class Threshold(Output):
    """A number that the detector compares with: the default, and what holds for the tenant.

    `learned`: its own outcomes moved it; `set`: somebody did, in the settings, which goes before.
    """

    name: str
    default: float
    value: float
    source: Source
    stages: list[StageLine]


class Interval(Output):
    """A figure with its 90 % interval."""

    value: float
    low: float
    high: float


class Figures(Output):
    """How a detector did on records that are decided, as they were seen before.

    `precision` is the share of those that showed it that ended as announced. `lift` compares with the tenant's records
    of the same age that did not show it, shrunk towards what all tenants have seen; that comparison is worth `cases`.
    `lead_days` runs from first seen to the outcome.
    """

    decided: int
    right: int
    cases: float
    precision: Interval | None
    lift: Interval | None
    lead_days: Interval | None
    answered: int = Field(description="answers of people to recommendations that stood on it")
    wrong: int
    not_useful: int
    loudness: float = Field(description="factor of severity: 1 where nothing is known")
    computed_at: datetime


class Override(Output):
    """What a person said; it goes before the rule until it is taken back."""

    muted: bool
    reason: str | None
    set_by: Id
    set_at: datetime


class Detector(Output):
    """One detector. What a muted one finds is stored, and neither announced nor briefed, ranked or part of patterns."""

    signal_type: str
    definition: str
    closes: str
    needs: str
    entity_types: list[str]
    polarity: Literal["+", "-", "±"]
    judged_by: Literal["outcomes", "answers"]
    thresholds: list[Threshold]
    figures: Figures | None
    muted: bool
    muted_by: Literal["rule", "person"] | None
    reason: str | None
    since: datetime | None
    override: Override | None


class Detectors(Output):
    """All detectors, in the order of the catalogue."""

    data: list[Detector]


class DetectorChange(Input):
    """Mute a detector (`true`), have it heard whatever the rule says (`false`), or leave it to the rule (`null`)."""

    muted: Annotated[bool, Field(strict=True)] | None
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] | None = None


State = dict[str, Any]
"""What is stored of a tenant's detectors: `standings` and `overrides` by signal type, `lines`, `settings`."""
