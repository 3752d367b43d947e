"""What Bevyly concludes: model versions and what watches them, scores, signals, patterns, recommendations.

Writer: `pipelines`. The exceptions: people answer recommendations through the API, by way of
`bevyly.intent.recommendations`, and put model versions in use, by way of `bevyly.intent.versions`.
"""

from datetime import date
from typing import Any

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import (
    Base,
    Code,
    CreatedAt,
    Currency,
    Id,
    Instant,
    Json,
    JsonList,
    Minor,
    TenantRow,
    tenant_fk,
)
from bevyly.ids import new_id

# the order in which a briefing takes the recommendations of each action
_BEST = ("customer_id", "action_type", "rank", "dedupe_key")


class ModelVersion(Base):
    """A trained model: what it saw, how well it does on later data, where its artefact is.

    `customer_id` is null for a pooled model, which every tenant may read. Written by the pipeline; people put another
    version in use through the same function `promote_model_version`. `display` is what the score may be shown as now:
    never more than `trained_display`, less while a monitor alarms. `created_at` is the instant it learned as of.
    """

    __tablename__ = "model_versions"
    __table_args__ = (
        Index(
            "uq_model_versions_champion",
            "score_type",
            "customer_id",
            unique=True,
            postgresql_where=text("status = 'champion'"),
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("score_type in ('fit','intent','conversion','win','forecast')", name="score_type"),
        CheckConstraint("status in ('champion','challenger','retired','refused')", name="status"),
        Index("ix_model_versions_lookup", "score_type", "customer_id", "status"),
    )

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[Id | None] = mapped_column(ForeignKey("customers.id"))
    score_type: Mapped[Code]
    status: Mapped[Code]
    status_reason: Mapped[str | None]
    display: Mapped[Code] = mapped_column(comment="probability, band or rules")
    trained_display: Mapped[Code] = mapped_column(comment="the most that its training allows")
    trained_from: Mapped[Instant | None]
    trained_to: Mapped[Instant | None]
    n_rows: Mapped[int]
    n_outcomes: Mapped[int]
    metrics: Mapped[Json]
    card: Mapped[str]
    artefact: Mapped[str] = mapped_column(comment="key in the artefact store")
    artefact_sha256: Mapped[str | None] = mapped_column(String(64))
    made_with: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB, comment="version of the model, instant, seed, feature contract, horizon, versions of libraries"
    )
    judgement: Mapped[dict[str, Any] | None] = mapped_column(comment="the last look at it beside the one in use")
    created_at: Mapped[CreatedAt]


class ModelMonitor(Base):
    """What one monitor says of one version now, and since when it alarms or is quiet. Written by the pipeline."""

    __tablename__ = "model_monitors"
    __table_args__ = (CheckConstraint("monitor in ('base_rate','features','calibration')", name="monitor"),)

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    model_version_id: Mapped[Id] = mapped_column(ForeignKey("model_versions.id"), primary_key=True)
    monitor: Mapped[Code] = mapped_column(primary_key=True)
    alarm: Mapped[bool]
    since: Mapped[Instant]
    reason: Mapped[str]
    figures: Mapped[Json]
    checked_at: Mapped[Instant]


class DisplayChange(TenantRow, Base):
    """A score is shown as something else than before: who or what did it, and why. Rows are only added.

    Written by the pipeline, and by `promote_model_version` for people.
    """

    __tablename__ = "display_changes"
    __table_args__ = (
        CheckConstraint("cause in ('training','promotion','monitoring')", name="cause"),
        Index("ix_display_changes_list", "customer_id", text("changed_at desc"), text("id desc")),
    )

    score_type: Mapped[Code]
    model_version_id: Mapped[Id] = mapped_column(ForeignKey("model_versions.id"))
    from_display: Mapped[Code | None]
    to_display: Mapped[Code]
    cause: Mapped[Code]
    actor_type: Mapped[Code] = mapped_column(comment="user, api_key or pipeline")
    actor_id: Mapped[Id | None]
    reason: Mapped[str]
    changed_at: Mapped[Instant]


class ScoreReadiness(Base):
    """What a tenant has for one score, and what is missing for the next stage. Written by the pipeline."""

    __tablename__ = "score_readiness"
    __table_args__ = (CheckConstraint("stage in ('empty','prior','learning','ranking','ready')", name="stage"),)

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    score_type: Mapped[Code] = mapped_column(primary_key=True)
    stage: Mapped[Code]
    have: Mapped[Json]
    missing: Mapped[JsonList]
    checked_at: Mapped[Instant]


class Score(TenantRow, Base):
    """One score of one entity as of one instant, explained. A row stays as written but for its standing:

    `rank` and `band` follow the other entities while the row `is_current`.
    """

    __tablename__ = "scores"
    __table_args__ = (
        CheckConstraint("score_type in ('fit','intent','conversion','win')", name="score_type"),
        Index(
            "uq_scores_current",
            "customer_id",
            "entity_type",
            "entity_id",
            "score_type",
            unique=True,
            postgresql_where=text("is_current"),
            postgresql_include=["feature_hash", "model_version_id"],
        ),
        Index("ix_scores_series", "customer_id", "entity_type", "entity_id", "score_type", "as_of"),
        Index("ix_scores_rank", "customer_id", "score_type", "rank", "id", postgresql_where=text("is_current")),
    )

    entity_type: Mapped[Code]
    entity_id: Mapped[Id]
    score_type: Mapped[Code]
    as_of: Mapped[Instant]
    probability: Mapped[float] = mapped_column(Double)
    probability_low: Mapped[float] = mapped_column(Double)
    probability_high: Mapped[float] = mapped_column(Double)
    logit: Mapped[float] = mapped_column(Double)
    baseline_logit: Mapped[float] = mapped_column(Double)
    points: Mapped[int]
    rank: Mapped[int]
    band: Mapped[str] = mapped_column(String(8))
    reasons: Mapped[JsonList]
    model_version_id: Mapped[Id] = mapped_column(ForeignKey("model_versions.id"))
    feature_hash: Mapped[str] = mapped_column(String(64))
    is_current: Mapped[bool] = mapped_column(server_default="true", default=True)
    computed_at: Mapped[CreatedAt]


class OpportunityForecast(TenantRow, Base):
    """When an open deal will be won and for how much, as of one instant. A row stays but for `is_current`."""

    __tablename__ = "opportunity_forecasts"
    __table_args__ = (
        tenant_fk("opportunity_id", "opportunities", ondelete="CASCADE"),
        CheckConstraint("basis in ('score','history')", name="basis"),
        CheckConstraint(
            "num_nulls(amount_low_minor, amount_median_minor, amount_high_minor, amounts_minor) in (0, 4) "
            "and (amounts_minor is null or currency is not null)",
            name="amounts",
        ),
        Index(
            "uq_opportunity_forecasts_current",
            "customer_id",
            "opportunity_id",
            unique=True,
            postgresql_where=text("is_current"),
        ),
        Index("ix_opportunity_forecasts_series", "customer_id", "opportunity_id", "as_of"),
    )

    opportunity_id: Mapped[Id]
    as_of: Mapped[Instant]
    win_probability: Mapped[float] = mapped_column(Double)
    basis: Mapped[Code] = mapped_column(
        comment="where the probability is from: the win score, or what became of deals at this stage and age"
    )
    score_id: Mapped[Id | None]
    dependence: Mapped[float] = mapped_column(
        Double, comment="correlation of deals of the tenant, for intervals of sums"
    )
    close_low: Mapped[date]
    close_median: Mapped[date]
    close_high: Mapped[date]
    close_days: Mapped[list[float]] = mapped_column(
        ARRAY(Double), comment="days after as_of at which each twentieth of the chance to be won is reached"
    )
    currency: Mapped[Currency | None]
    value_minor: Mapped[Minor | None] = mapped_column(comment="the amount as it was known")
    amount_low_minor: Mapped[Minor | None]
    amount_median_minor: Mapped[Minor | None]
    amount_high_minor: Mapped[Minor | None]
    amounts_minor: Mapped[list[int] | None] = mapped_column(
        ARRAY(BigInteger), comment="twenty amounts of equal chance; null without an amount"
    )
    model_version_id: Mapped[Id] = mapped_column(ForeignKey("model_versions.id"))
    feature_hash: Mapped[str] = mapped_column(String(64))
    is_current: Mapped[bool] = mapped_column(server_default="true", default=True)
    computed_at: Mapped[CreatedAt]


class ScoreInputs(Base):
    """What scores of an entity were made from: the features that models may read, as they read them, once.

    A row is never changed: no role may. Names and addresses are not in it. `code` is what the features were computed
    by (`feature_code`), where that is known.
    """

    __tablename__ = "score_inputs"

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    entity_id: Mapped[Id] = mapped_column(primary_key=True)
    feature_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    entity_type: Mapped[Code]
    document: Mapped[str] = mapped_column(comment="JSON text; see models.inputs")
    code: Mapped[str | None] = mapped_column(String(64))
    kept_at: Mapped[CreatedAt]


class FeatureCode(Base):
    """What dbt computed features by, of all tenants: by the hash of the project, each mart with what it is made of."""

    __tablename__ = "feature_code"

    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    marts: Mapped[Json]
    noted_at: Mapped[CreatedAt]


class Signal(TenantRow, Base):
    """Something worth noticing about an entity; one row an episode, whoever found it first."""

    __tablename__ = "signals"
    __table_args__ = (
        UniqueConstraint("customer_id", "dedupe_key"),
        CheckConstraint("polarity in ('+','-')", name="polarity"),
        CheckConstraint("severity in ('low','medium','high','critical')", name="severity"),
        Index("ix_signals_list", "customer_id", text("last_seen_at desc"), text("id desc")),
        Index("ix_signals_entity", "customer_id", "entity_type", "entity_id", "signal_type"),
        Index("ix_signals_open", "customer_id", "entity_id", postgresql_where=text("closed_at is null")),
        Index(
            "ix_signals_good",
            "customer_id",
            text("(signal_type <> 'high_intent_action')"),
            text("(strength::float8) desc"),
            "dedupe_key",
            postgresql_where=text("closed_at is null and polarity = '+'"),
        ),
        Index(
            "ix_signals_good_entity",
            "customer_id",
            "entity_id",
            postgresql_where=text("closed_at is null and polarity = '+'"),
        ),
    )

    entity_type: Mapped[Code]
    entity_id: Mapped[Id]
    signal_type: Mapped[Code]
    polarity: Mapped[str] = mapped_column(String(1))
    severity: Mapped[Code]
    strength: Mapped[float] = mapped_column(REAL)
    title: Mapped[str]
    data: Mapped[Json]
    evidence: Mapped[JsonList] = mapped_column(comment="ids of the events that show it")
    dedupe_key: Mapped[str] = mapped_column(String(300))
    detector_version: Mapped[str] = mapped_column(String(20))
    found_by: Mapped[Code] = mapped_column(comment="stream or batch: who saw it first")
    first_seen_at: Mapped[Instant]
    last_seen_at: Mapped[Instant]
    expires_at: Mapped[Instant | None]
    closed_at: Mapped[Instant | None]
    close_reason: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[CreatedAt]


class Pattern(TenantRow, Base):
    """Signals that occur together on one entity, kept because their observed lift is above that of each alone."""

    __tablename__ = "patterns"
    __table_args__ = (
        UniqueConstraint("customer_id", "dedupe_key"),
        Index("ix_patterns_list", "customer_id", text("last_seen_at desc"), text("id desc")),
        Index("ix_patterns_entity", "customer_id", "entity_type", "entity_id"),
    )

    entity_type: Mapped[Code]
    entity_id: Mapped[Id]
    pattern_type: Mapped[Code]
    title: Mapped[str]
    polarity: Mapped[str] = mapped_column(String(1))
    confidence: Mapped[float] = mapped_column(REAL)
    confidence_low: Mapped[float] = mapped_column(REAL)
    confidence_high: Mapped[float] = mapped_column(REAL)
    lift: Mapped[float | None] = mapped_column(REAL)
    data: Mapped[Json]
    dedupe_key: Mapped[str] = mapped_column(String(300))
    first_seen_at: Mapped[Instant]
    last_seen_at: Mapped[Instant]
    closed_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]


class PatternSignal(Base):
    """A signal that is a member of a pattern."""

    __tablename__ = "pattern_signals"
    __table_args__ = (
        tenant_fk("pattern_id", "patterns", ondelete="CASCADE"),
        tenant_fk("signal_id", "signals", ondelete="CASCADE"),
        Index("ix_pattern_signals_signal", "customer_id", "signal_id"),
    )

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    pattern_id: Mapped[Id] = mapped_column(primary_key=True)
    signal_id: Mapped[Id] = mapped_column(primary_key=True)


class Recommendation(TenantRow, Base):
    """One thing worth doing, with its reason, expected value and evidence."""

    __tablename__ = "recommendations"
    __table_args__ = (
        tenant_fk("owner_id", "users"),
        tenant_fk("pattern_id", "patterns"),
        tenant_fk("signal_id", "signals"),
        tenant_fk("acted_by", "users"),
        CheckConstraint(
            "status in ('pending','accepted','dismissed','completed','snoozed','expired','superseded')", name="status"
        ),
        CheckConstraint("priority in ('low','medium','high','critical')", name="priority"),
        Index(
            "uq_recommendations_open",
            "customer_id",
            "dedupe_key",
            unique=True,
            postgresql_where=text("status in ('pending','accepted','snoozed')"),
        ),
        Index("ix_recommendations_list", "customer_id", text("created_at desc"), text("id desc")),
        Index("ix_recommendations_status", "customer_id", "status", "rank", "id"),
        Index("ix_recommendations_rank", "customer_id", "rank", "id"),
        Index("ix_recommendations_value", "customer_id", "expected_value_minor", "id"),
        Index("ix_recommendations_owner", "customer_id", "owner_id", "created_at", "id"),
        Index("ix_recommendations_entity", "customer_id", "entity_type", "entity_id"),
        Index("ix_recommendations_best", *_BEST, "owner_id", postgresql_where=text("status = 'pending'")),
        Index(
            "ix_recommendations_own_best",
            _BEST[0],
            "owner_id",
            *_BEST[1:],
            postgresql_where=text("status = 'pending'"),
        ),
        Index(
            "ix_recommendations_in_hand",
            "customer_id",
            "owner_id",
            postgresql_where=text("status in ('accepted', 'snoozed')"),
        ),
    )

    owner_id: Mapped[Id | None]
    pattern_id: Mapped[Id | None]
    signal_id: Mapped[Id | None]
    entity_type: Mapped[Code]
    entity_id: Mapped[Id]
    action_type: Mapped[Code]
    payload: Mapped[Json]
    priority: Mapped[Code]
    title: Mapped[str] = mapped_column(String(255))
    rationale: Mapped[str]
    reasons: Mapped[JsonList]
    evidence: Mapped[JsonList]
    probability: Mapped[float | None] = mapped_column(Double)
    probability_low: Mapped[float | None] = mapped_column(Double)
    probability_high: Mapped[float | None] = mapped_column(Double)
    probability_with_action: Mapped[float | None] = mapped_column(Double)
    amount_minor: Mapped[Minor | None]
    currency: Mapped[Currency | None]
    urgency: Mapped[float] = mapped_column(REAL)
    usefulness: Mapped[float | None] = mapped_column(
        REAL, comment="what people's answers multiply the worth by; null where nobody has answered"
    )
    expected_value_minor: Mapped[Minor]
    expected_value_low_minor: Mapped[Minor]
    expected_value_high_minor: Mapped[Minor]
    basis: Mapped[Code] = mapped_column(comment="associative or prior: what the effect of the action rests on")
    rank: Mapped[int]
    status: Mapped[Code] = mapped_column(server_default="pending", default="pending")
    snoozed_until: Mapped[Instant | None]
    expires_at: Mapped[Instant]
    feedback: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    acted_by: Mapped[Id | None]
    acted_at: Mapped[Instant | None]
    superseded_by: Mapped[Id | None]
    dedupe_key: Mapped[str] = mapped_column(String(300))
    model_version_id: Mapped[Id | None] = mapped_column(ForeignKey("model_versions.id"))
    score_id: Mapped[Id | None] = mapped_column(comment="the score that `probability` is of")
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    as_of: Mapped[Instant]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class RecommendationOffer(Base):
    """Which action was offered for an entity and cause in a period, of which options, and how likely that was.

    What another ranking would have been worth follows from it (`models.ranking.off_policy`). Written by the pipeline,
    once: a second look within the period changes nothing.
    """

    __tablename__ = "recommendation_offers"
    __table_args__ = (CheckConstraint("propensity > 0 and propensity <= 1", name="propensity"),)

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    entity_type: Mapped[Code] = mapped_column(primary_key=True)
    entity_id: Mapped[Id] = mapped_column(primary_key=True)
    cause: Mapped[Code] = mapped_column(primary_key=True)
    period: Mapped[date] = mapped_column(primary_key=True)
    action_type: Mapped[Code | None] = mapped_column(comment="null: held back to measure")
    propensity: Mapped[float] = mapped_column(Double)
    options: Mapped[JsonList] = mapped_column(
        comment="what could have been offered, each with its propensity and worth"
    )
    as_of: Mapped[Instant]
    created_at: Mapped[CreatedAt]


class Ranking(Base):
    """The latest ranking of a tenant: what it left out, and whether the briefings made from it were published.

    Written by the pipeline. Until they are, its recommendations have not passed their checks.
    """

    __tablename__ = "rankings"

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    as_of: Mapped[Instant]
    left_out: Mapped[JsonList] = mapped_column(
        comment="owner_id, reason and count of what was called for and not recommended"
    )
    published_at: Mapped[Instant | None] = mapped_column(
        comment="null: its recommendations have not passed their checks"
    )
