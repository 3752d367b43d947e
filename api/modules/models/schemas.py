"""Shapes of model versions, what watches them, and what a tenant lacks for better ones."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from api.schemas import Id, Input, Output, PageInfo, PageQuery

ScoreType = Literal["fit", "intent", "conversion", "win", "forecast"]
Status = Literal["champion", "challenger", "retired", "refused"]
Display = Literal["probability", "band", "rules"]


class ModelQuery(PageQuery):
    """Which versions."""

    score_type: ScoreType | None = None
    status: Status | None = None


class ModelVersion(Output):
    """A trained version. Of a pooled one, which serves who has none of their own, nobody sees others' figures."""

    id: Id
    score_type: ScoreType
    pooled: bool
    status: Status
    display: Display
    trained_display: Display
    status_reason: str | None
    trained_from: datetime | None
    trained_to: datetime | None
    n_rows: int | None
    n_outcomes: int | None
    metrics: dict[str, Any] | None
    judgement: dict[str, Any] | None
    artefact_sha256: str | None
    created_at: datetime


class ModelPage(Output):
    """A page of versions, newest first."""

    data: list[ModelVersion]
    page: PageInfo


class Monitor(Output):
    """What one monitor says of a version: an alarm or not, since when, why, with its figures."""

    monitor: Literal["base_rate", "features", "calibration"]
    alarm: bool
    since: datetime
    reason: str
    figures: dict[str, Any]
    checked_at: datetime


class Model(ModelVersion):
    """A version with its card (Markdown) and what watches it."""

    card: str
    monitors: list[Monitor]


class Promotion(Input):
    """Why another version is put in use; kept with it, and in the audit."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class Watched(Output):
    """The version of one score in use, what it may be shown as, and what watches it."""

    score_type: ScoreType
    model_version_id: Id
    pooled: bool
    display: Display
    trained_display: Display
    created_at: datetime
    monitors: list[Monitor]


class Monitoring(Output):
    """One row a score that has a version in use."""

    data: list[Watched]


class Lack(Output):
    """One thing that is missing: in words, how much there is and how much it takes."""

    code: str
    text: str
    have: float
    needed: float


class ScoreReadiness(Output):
    """What there is for one score, and what is missing for the next stage.

    `empty`, `prior` (scored by what others have in common), `learning`, `ranking` (bands), `ready` (probabilities).
    """

    score_type: ScoreType
    stage: Literal["empty", "prior", "learning", "ranking", "ready"]
    have: dict[str, Any]
    missing: list[Lack]
    checked_at: datetime


class Readiness(Output):
    """One row a score."""

    data: list[ScoreReadiness]


class ChangeQuery(PageQuery):
    """Changes of which score."""

    score_type: ScoreType | None = None


class DisplayChange(Output):
    """A score was shown as something else from then on: by what or whom, and why."""

    id: Id
    score_type: ScoreType
    model_version_id: Id
    from_display: Display | None
    to_display: Display
    cause: Literal["training", "promotion", "monitoring"]
    actor_type: str
    actor_id: Id | None
    reason: str
    changed_at: datetime


class DisplayChangePage(Output):
    """A page of changes, newest first."""

    data: list[DisplayChange]
    page: PageInfo
