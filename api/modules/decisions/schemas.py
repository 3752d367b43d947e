"""Shapes of the decision log."""

from datetime import datetime
from typing import Any

from pydantic import Field

from api.query.schemas import ListPage, ListQuery
from api.schemas import Id, Output, PageInfo, PageQuery, Text50


class DecisionQuery(ListQuery):
    """Which entries."""

    kind: Text50 | None = Field(default=None, description="such as `recommendation.accepted`")
    recommendation_id: Id | None = None


class Decision(Output):
    """One entry: what was decided, what that rests on, and its place in the chain of hashes.

    `hash` is SHA-256 of `previous`, a newline and the entry as canonical JSON. What may be erased is in `details`, of
    which the entry holds `details_hash` alone: SHA-256 of a salt and the details.
    """

    id: Id
    sequence: int
    kind: str
    recommendation_id: Id | None
    subject_type: str
    subject_id: Id | None = Field(description="the row that it is about; null where that is a person")
    grounds: dict[str, str] = Field(description="ids and hashes of what it rests on")
    details: dict[str, Any] | None
    details_erased: bool
    occurred_at: datetime
    noted_at: datetime
    details_hash: str | None
    previous: str
    hash: str


class DecisionPage(ListPage):
    """A page of the log, noted last first."""

    data: list[Decision]


class StepQuery(PageQuery):
    """Which page of the chain of an item."""


class UsedScore(Output):
    """The score that a recommendation came from."""

    id: Id
    score_type: str
    as_of: datetime
    probability: float
    probability_low: float
    probability_high: float
    points: int
    band: str
    reasons: list[Any]
    model_version_id: Id


class DecisionStep(Decision):
    """An entry of the chain of one recommendation; of `score.used`, the score as it is stored."""

    score: UsedScore | None


class StepPage(Output):
    """A page of the chain of one recommendation, from the score on."""

    data: list[DecisionStep]
    page: PageInfo
