"""What can be asked of the lists of signals, patterns and recommendations."""

from typing import get_args

from api.modules.auth.listing import USERS
from api.modules.intent.schemas import EntityType, RecommendationStatus, Severity
from api.query.listing import Fields, Listing, Relation, Type, computed
from bevyly.db.schema import Pattern, Recommendation, Signal

_ENTITIES = {"entity_type": get_args(EntityType)}
_OPEN = computed("open", Type.BOOLEAN, "({row}.closed_at is null)", shown=False, facet=True)
_UNHEARD = """(exists (
    select from muted_detectors m where m.customer_id = {row}.customer_id and m.signal_type = {row}.signal_type
  ))"""
_MEMBERS = """coalesce((
    select json_agg(
      json_build_object('id', s.id, 'signal_type', s.signal_type, 'severity', s.severity, 'title', s.title)
      order by s.id)
    from pattern_signals m join signals s on s.customer_id = m.customer_id and s.id = m.signal_id
    where m.customer_id = {row}.customer_id and m.pattern_id = {row}.id
  ), '[]')"""

SIGNALS = Listing(
    name="signals",
    table=Signal,
    permission="intent:read",
    function="api_list_signals",
    default_sort="-last_seen_at",
    fields=Fields(
        Signal,
        choices=_ENTITIES | {"severity": get_args(Severity), "polarity": ("+", "-")},
        sortable=("last_seen_at",),
        facets=("entity_type", "signal_type", "severity", "polarity"),
        lists=("evidence",),
    ).of(
        "id", "entity_type", "entity_id", "signal_type", "polarity", "severity", "strength", "title", "data",
        "evidence", "detector_version", "found_by", "first_seen_at", "last_seen_at", "expires_at", "closed_at",
        "close_reason", computed("muted", Type.BOOLEAN, _UNHEARD), _OPEN,
    ),
)  # fmt: skip

PATTERNS = Listing(
    name="patterns",
    table=Pattern,
    permission="intent:read",
    function="api_list_patterns",
    default_sort="-last_seen_at",
    fields=Fields(
        Pattern,
        choices=_ENTITIES | {"polarity": ("+", "-")},
        sortable=("last_seen_at",),
        facets=("entity_type", "pattern_type", "polarity"),
    ).of(
        "id", "entity_type", "entity_id", "pattern_type", "title", "polarity", "confidence", "confidence_low",
        "confidence_high", "lift", "data", "first_seen_at", "last_seen_at", "closed_at",
        computed("signals", Type.JSON, _MEMBERS), _OPEN,
    ),
)  # fmt: skip

RECOMMENDATIONS = Listing(
    name="recommendations",
    table=Recommendation,
    permission="intent:read",
    function="api_list_recommendations",
    fields=Fields(
        Recommendation,
        choices=_ENTITIES | {"priority": get_args(Severity), "status": get_args(RecommendationStatus)},
        sortable=("rank", "expected_value_minor", "created_at"),
        facets=("entity_type", "action_type", "priority", "status", "owner_id"),
        lists=("evidence",),
    ).of(
        "id", "entity_type", "entity_id", "action_type", "payload", "priority", "title", "rationale", "reasons",
        "evidence", "probability", "probability_low", "probability_high", "probability_with_action", "amount_minor",
        "currency", "urgency", "usefulness", "expected_value_minor", "expected_value_low_minor",
        "expected_value_high_minor", "basis", "rank", "status", "snoozed_until", "expires_at", "feedback", "acted_by",
        "acted_at", "superseded_by", "owner_id", "pattern_id", "signal_id", "model_version_id", "score_id", "version",
        "as_of", "created_at", "updated_at",
    ),
    relations=(
        Relation("owner", "owner_id", USERS),
        Relation("pattern", "pattern_id", PATTERNS),
        Relation("signal", "signal_id", SIGNALS),
    ),
)  # fmt: skip
