"""Shapes of what Bevyly concludes: briefing, signals, patterns, recommendations."""

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from api.modules.scores.schemas import Cause
from api.query.schemas import ListPage, ListQuery
from api.schemas import Comment, Id, Input, Instant, Output, Text50

EntityType = Literal["account", "contact", "lead", "opportunity"]
Severity = Literal["low", "medium", "high", "critical"]
RecommendationStatus = Literal["pending", "accepted", "dismissed", "completed", "snoozed", "expired", "superseded"]


class BriefingQuery(Input):
    """Which briefing."""

    as_of: AwareDatetime | None = Field(default=None, description="the briefing as it stood then, byte for byte")


class BriefingPageQuery(BriefingQuery):
    """Which briefing, in which form."""

    format: Literal["json", "markdown", "html"] | None = Field(
        default=None, description="for a program, a chat or an e-mail; what `Accept` asks for by default"
    )


class BriefingCard(Output):
    """A card of the app: its kind is in the registry of the guide to briefings, which says what its entries hold."""

    card: str
    id: str
    title: str
    entries: list[dict[str, Any]]


class BriefingCards(Output):
    """A briefing as cards, in its order."""

    version: int
    as_of: datetime
    status: Literal["fresh", "stale"]
    stale_reason: str | None
    headline: str
    cards: list[BriefingCard]


class Briefing(BaseModel):
    """The few things worth doing today. Stored as it is answered."""

    version: int
    as_of: datetime
    generated_at: datetime
    status: Literal["fresh", "stale"]
    stale_reason: str | None
    user: dict[str, Any]
    headline: str
    summary: dict[str, Any]
    items: list[dict[str, Any]]
    good_news: list[dict[str, Any]]
    not_shown: list[dict[str, Any]]
    models: list[dict[str, Any]]


class DiffQuery(Input):
    """Which two briefings."""

    since: AwareDatetime | None = Field(
        default=None,
        alias="from",
        description="the earlier briefing is the one as it stood then; the one that was seen last by default",
    )
    until: AwareDatetime | None = Field(default=None, alias="to", description="the later one; now by default")


class Seen(Input):
    """Which version of the briefing is on the screen."""

    version: int = Field(ge=1, le=2_147_483_647)


class BriefingSeen(Output):
    """What was seen last: never an earlier version than before."""

    version: int
    as_of: datetime
    seen_at: datetime


class BriefingVersion(Output):
    """One version of a briefing."""

    version: int
    as_of: datetime
    status: Literal["fresh", "stale"]


class ScoreMove(Output):
    """What moved the score of an item."""

    from_id: Id
    to_id: Id
    text: str = Field(description="the strongest cause: `Meeting booked, +6`")
    points: int
    causes: list[Cause]


class DiffCause(Output):
    """Why an item differs, as it was recorded: by which entry of the decision log, by which events."""

    code: Literal[
        "made", "new_signal", "superseded", "reopened", "accepted", "dismissed", "snoozed", "completed", "seen_done",
        "expired", "signal_closed", "budget", "owner", "others", "score", "model_version", "amount", "effect",
        "answers", "revised", "unknown",
    ]  # fmt: skip
    text: str
    at: datetime | None
    decision: int | None = Field(description="sequence of the entry of the decision log")
    event_ids: list[Id]
    score: ScoreMove | None


class DiffItem(Output):
    """An item as the later briefing has it, or the earlier one where it is gone."""

    recommendation_id: Id
    title: str
    rank: int
    entity: dict[str, Any]
    action_type: str
    expected_value: dict[str, Any]
    probability: float | None
    probability_with_action: float | None


class CausedItem(DiffItem):
    """An item that appeared or went."""

    cause: DiffCause


class MovedItem(CausedItem):
    """An item that has another place."""

    from_rank: int


class ChangedItem(DiffItem):
    """An item of another value or chance."""

    was: dict[str, Any]
    causes: list[DiffCause]


class BriefingDiff(Output):
    """What changed between two briefings."""

    since: BriefingVersion | None = Field(alias="from", description="null where there was none yet")
    until: BriefingVersion = Field(alias="to")
    headline: str
    appeared: list[CausedItem]
    gone: list[CausedItem]
    moved: list[MovedItem]
    changed: list[ChangedItem]
    good_news: list[dict[str, Any]] = Field(description="news that the earlier briefing did not have")


class RefreshRequest(Input):
    """Why a new briefing is wanted."""

    reason: Text50 | None = None


class RefreshAccepted(Output):
    """The request for a new briefing was taken."""

    status: Literal["accepted"] = "accepted"
    event_id: Id


class EntityQuery(ListQuery):
    """Lists about entities."""

    entity_type: EntityType | None = None
    entity_id: Id | None = None


class SignalQuery(EntityQuery):
    """Which signals."""

    signal_type: Text50 | None = None
    severity: Severity | None = None
    open: bool | None = Field(default=None, description="only those that are not closed, or only those that are")


class PatternQuery(EntityQuery):
    """Which patterns."""

    pattern_type: Text50 | None = None
    open: bool | None = None


class RecommendationQuery(EntityQuery):
    """Which recommendations."""

    status: RecommendationStatus | None = None
    action_type: Text50 | None = None
    owner_id: Id | None = None


class Signal(Output):
    """Something worth noticing about an entity."""

    id: Id
    entity_type: str
    entity_id: Id
    signal_type: str
    polarity: Literal["+", "-"]
    severity: Severity
    strength: float
    title: str
    data: dict[str, Any]
    evidence: list[Any]
    detector_version: str
    found_by: str
    first_seen_at: datetime
    last_seen_at: datetime
    expires_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    muted: bool = Field(description="found by a detector that is not heard: see detectors")


class SignalPage(ListPage):
    """A page of signals, last seen first."""

    data: list[Signal]


class PatternMember(Output):
    """A signal of a pattern."""

    id: Id
    signal_type: str
    severity: Severity
    title: str


class Pattern(Output):
    """Signals that occur together on one entity."""

    id: Id
    entity_type: str
    entity_id: Id
    pattern_type: str
    title: str
    polarity: Literal["+", "-"]
    confidence: float
    confidence_low: float
    confidence_high: float
    lift: float | None
    data: dict[str, Any]
    first_seen_at: datetime
    last_seen_at: datetime
    closed_at: datetime | None
    signals: list[PatternMember]


class PatternPage(ListPage):
    """A page of patterns, last seen first."""

    data: list[Pattern]


class Recommendation(Output):
    """One thing worth doing."""

    id: Id
    entity_type: str
    entity_id: Id
    action_type: str
    payload: dict[str, Any]
    priority: Severity
    title: str
    rationale: str
    reasons: list[Any]
    evidence: list[Any]
    probability: float | None
    probability_low: float | None
    probability_high: float | None
    probability_with_action: float | None
    amount_minor: int | None
    currency: str | None
    urgency: float
    usefulness: float | None = Field(
        description="what people's answers to such recommendations multiply the worth by; null where nobody answered"
    )
    expected_value_minor: int
    expected_value_low_minor: int
    expected_value_high_minor: int
    basis: str
    rank: int
    status: str
    snoozed_until: datetime | None
    expires_at: datetime
    feedback: dict[str, Any] | None
    acted_by: Id | None
    acted_at: datetime | None
    superseded_by: Id | None
    owner_id: Id | None
    pattern_id: Id | None
    signal_id: Id | None
    model_version_id: Id | None
    score_id: Id | None
    version: int
    as_of: datetime
    created_at: datetime
    updated_at: datetime


class RecommendationPage(ListPage):
    """A page of recommendations, newest first."""

    data: list[Recommendation]


class Answer(Input):
    """Why somebody answers a recommendation so; it changes later rankings."""

    reason: Text50 | None = None
    comment: Comment | None = None


class Snooze(Answer):
    """Not now."""

    until: Instant
