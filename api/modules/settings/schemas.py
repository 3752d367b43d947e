"""Shapes of a tenant's settings."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool

from api.schemas import (
    AttentionBudget,
    Currency,
    Domain,
    Input,
    Name,
    Output,
    Text50,
    Timezone,
    WorkingHours,
)
from bevyly.intent.thresholds import MAX_VALUE, NAMES, ONE_LINE, parted

Visibility = Literal["everyone", "team", "own"]


def _known(values: dict[str, float]) -> dict[str, float]:
    for key in sorted(values):
        name, stage = parted(key)
        if name not in NAMES:
            raise ValueError(f"there is no threshold named {name}; there are {', '.join(NAMES)}")
        if "@" in key and (not stage or name in ONE_LINE):
            raise ValueError(f"{name} holds for all stages alike, or its stage is missing")
    return values


Overrides = Annotated[
    dict[Text50, Annotated[float, Field(gt=0, le=MAX_VALUE, allow_inf_nan=False)]],
    Field(
        description="where detectors draw their lines, whatever the default is and outcomes have taught; `name@stage` "
        "for one stage"
    ),
    AfterValidator(_known),
]


class Exploration(Input):
    """What share of recommendations is held back, and where another action than the best is tried, so that the worth of
    recommendations can be measured instead of believed. Each entity is drawn once in 28 days."""

    holdout: Annotated[float, Field(ge=0, le=0.2, allow_inf_nan=False)] = 0.0
    explored: Annotated[float, Field(ge=0, le=0.3, allow_inf_nan=False)] = 0.0


class SettingsChange(Input):
    """What to change; `signal_thresholds` are replaced as a whole."""

    name: Name = Field(default_factory=str)
    domain: Domain | None = None
    currency: Currency = "EUR"
    timezone: Timezone = "UTC"
    working_hours: WorkingHours | None = None
    fiscal_year_start_month: int = Field(default=1, ge=1, le=12)
    record_visibility: Visibility = Field(
        default="everyone", description="whose records members and viewers see; leads of a team see their team"
    )
    strict_custom_fields: StrictBool = Field(default=False, description="whether undeclared custom fields are refused")
    attention_budget: AttentionBudget | None = None
    signal_thresholds: Overrides = Field(default_factory=dict)
    exploration: Exploration = Field(default_factory=Exploration)
    model_wording: StrictBool = Field(
        default=False,
        description="whether OpenAI may be told the facts of briefings, without names, to word them; see the guide",
    )
    pooling: StrictBool = Field(default=True, description="whether outcomes may inform what all tenants start from")


class Settings(Output):
    """The settings of a tenant."""

    name: str
    domain: str | None
    currency: str
    timezone: str
    working_hours: WorkingHours | None
    fiscal_year_start_month: int
    record_visibility: Visibility
    strict_custom_fields: bool
    attention_budget: int | None
    signal_thresholds: dict[str, float]
    exploration: Exploration
    model_wording: bool
    pooling: bool
    version: int
