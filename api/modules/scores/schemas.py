"""Shapes of scores, of what moved them, and of where they come from."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.schemas import Id, Output, PageInfo, PageQuery

ScoreType = Literal["fit", "intent", "conversion", "win"]


class Score(Output):
    """One current score of an entity, with its explanation."""

    id: Id
    entity_type: str
    entity_id: Id
    score_type: ScoreType
    as_of: datetime
    probability: float
    probability_low: float
    probability_high: float
    logit: float
    baseline_logit: float
    points: int
    rank: int
    band: str
    reasons: list[Any]
    model_version_id: Id
    feature_hash: str
    computed_at: datetime
    display: str | None


class Scores(Output):
    """The current scores of one entity."""

    data: list[Score]


class ChangedFeature(Output):
    """A feature as it is and as it would be."""

    feature: str
    old: str | None = Field(description="as a person reads it; null where there is no value")
    new: str | None


class Counterfactual(Output):
    """A change that would move the score, and what the score would be."""

    code: Literal["meeting", "contact", "next_step", "call", "email", "proposal", "answers", "facts"]
    action: str | None = Field(description="the type of the recommendation that brings it about, where there is one")
    text: str = Field(description="`One more meeting: +6 points`")
    changes: list[ChangedFeature]
    points_gained: int
    probability: float
    logit: float
    points: int


class Counterfactuals(Output):
    """What would move a score, the strongest first; nothing where no change that was seen in the tenant would."""

    data: list[Counterfactual] = Field(max_length=3)
    unavailable: str | None = Field(description="why nothing could be scored anew: inputs or model are no longer kept")


class HistoryQuery(PageQuery):
    """Which scores of the entity."""

    score_type: ScoreType | None = None


class MovedFeature(Output):
    """A feature that weighs otherwise than before."""

    feature: str
    old: str | None = Field(description="as a person reads it; null where it was missing")
    new: str | None
    logit: float


class Cause(Output):
    """One cause of a change, and what it was worth."""

    cause: Literal["event", "time", "owner", "model", "other", "unknown", "bounds"]
    types: list[str] = Field(description="types of the events, where events are the cause")
    text: str
    logit: float
    points: int
    event_ids: list[Id]
    features: list[MovedFeature] = Field(description="the ten that moved most")


class Change(Output):
    """The difference to the score before; the causes sum to it."""

    previous_id: Id
    text: str = Field(description="the strongest cause: `Meeting booked, +6`")
    logit: float
    points: int
    causes: list[Cause]


class NewEvent(Output):
    """An event behind this score that was not behind the one before."""

    event_id: Id
    type: str
    occurred_at: datetime
    recorded_at: datetime


class PastScore(Score):
    """A score that an entity had, and what moved it."""

    events: list[NewEvent] = Field(description="the latest twenty")
    events_total: int
    change: Change | None = Field(description="null for the first score")


class ScoreHistoryPage(Output):
    """A page of the scores of an entity, latest first."""

    data: list[PastScore]
    page: PageInfo


class TracedScore(Output):
    """The score in question."""

    id: Id
    entity_type: str
    entity_id: Id
    score_type: ScoreType
    as_of: datetime
    computed_at: datetime
    is_current: bool
    probability: float
    logit: float
    points: int
    feature_hash: str


class TracedModel(Output):
    """The model that made it."""

    id: Id
    status: str
    display: str
    artefact: str = Field(description="key in the artefact store")
    artefact_sha256: str | None
    trained_from: datetime | None
    trained_to: datetime | None
    rows: int
    outcomes: int
    made_with: dict[str, Any] | None = Field(description="instant, seed, feature contract, versions of libraries")


class TracedInputs(Output):
    """What it was made from."""

    kept_at: datetime
    sha256: str = Field(description="of the stored document")
    features: dict[str, Any]


class TracedDbt(Output):
    """What the features were computed by."""

    project: str = Field(description="hash of the whole dbt project")
    model: str
    built: dict[str, Any] | None = Field(description="hash of the model with all above it, and of each part")


class TracedEvent(Output):
    """An event behind the features, and where it is on Kafka."""

    event_id: Id
    relation: Literal[
        "record", "activity", "opportunity", "lead", "account", "contact", "account_activity", "owner_record"
    ]
    type: str
    occurred_at: datetime
    recorded_at: datetime
    topic: str
    partition: int
    offset: int


class TracedEvents(Output):
    """A page of events, latest first."""

    data: list[TracedEvent]
    page: PageInfo


class ScoreLineage(Output):
    """From a score down to the events."""

    score: TracedScore
    model: TracedModel
    inputs: TracedInputs | None = Field(description="null where they are no longer kept")
    dbt: TracedDbt | None = Field(description="null where it is not known")
    events: TracedEvents


class Bits(Output):
    """A number as hexadecimal floating point, which shows every bit."""

    stored: str
    recomputed: str


class Figure(Output):
    """A figure of the score, stored and made again."""

    name: str
    stored: float | int | str
    recomputed: float | int | str
    bits: Bits | None = Field(description="null for what is no floating-point number")
    identical: bool


class Reproduction(Output):
    """A score made again."""

    score_id: Id
    entity_type: str
    entity_id: Id
    score_type: ScoreType
    as_of: datetime
    model_version_id: Id
    artefact: str
    artefact_sha256: str | None
    feature_hash: str
    inputs_sha256: str
    identical: bool = Field(description="whether every figure and every reason is")
    figures: list[Figure]
    reasons: list[dict[str, Any]]
    reasons_identical: bool
