"""What a briefing is composed from, as frames with named columns.

Belongs here: shapes. `pipelines.repositories.briefing_inputs` reads them, `compose` uses them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

INSTANT = pl.Datetime("us", "UTC")


def _text(names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split(), pl.String)


USERS: Mapping[str, Any] = _text("customer_id user_id name role") | {"budget": pl.Int64}
ENTITIES: Mapping[str, Any] = _text(
    "customer_id entity_type entity_id name account_id account_name stage status owner_id owner_name currency"
) | {"value_minor": pl.Int64}
RECOMMENDATIONS: Mapping[str, Any] = (
    _text(
        "customer_id id owner_id pattern_id signal_id entity_type entity_id action_type payload priority title "
        "rationale reasons evidence currency basis status dedupe_key display band score_id"
    )
    | dict.fromkeys(("probability", "probability_low", "probability_high", "probability_with_action"), pl.Float64)
    | dict.fromkeys(
        ("expected_value_minor", "expected_value_low_minor", "expected_value_high_minor", "rank", "version"), pl.Int64
    )
    | dict.fromkeys(("expires_at", "created_at"), INSTANT)
    | {"usefulness": pl.Float64}
)
SIGNALS: Mapping[str, Any] = (
    _text("customer_id id entity_type entity_id signal_type polarity severity title data dedupe_key detector_version")
    | {"strength": pl.Float64, "evidence": pl.List(pl.String)}
    | dict.fromkeys(("first_seen_at", "last_seen_at", "expires_at"), INSTANT)
)
PATTERNS: Mapping[str, Any] = _text("customer_id id entity_type entity_id pattern_type title polarity dedupe_key")
EVENTS: Mapping[str, Any] = _text("customer_id event_id type data") | {"occurred_at": INSTANT}
MODELS: Mapping[str, Any] = (
    _text("customer_id type version") | dict.fromkeys(("trained_from", "trained_to"), INSTANT) | {"n": pl.Int64}
)
LATEST: Mapping[str, Any] = _text("customer_id user_id etag status stale_reason") | {
    "version": pl.Int64,
    "as_of": INSTANT,
}
COUNTS: Mapping[str, Any] = _text("customer_id owner_id counted currency") | {"n": pl.Int64, "value_minor": pl.Int64}
WORDINGS: Mapping[str, Any] = _text("customer_id facts model text")
LEFT_OUT: Mapping[str, Any] = _text("customer_id owner_id reason") | {"count": pl.Int64}


def _empty(columns: Mapping[str, Any]) -> Callable[[], pl.DataFrame]:
    return lambda: pl.DataFrame(schema=dict(columns))


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Frames of any number of tenants. `recommendations`: open ones; `signals` and `patterns`: open ones.

    `events`: those that evidence names; `models`: what scored the tenant; `latest`: newest stored briefing of each
    user; `left_out`: as `models.ranking` gives it; `counts`: how many there are of what is not listed, by owner
    (`counted`: opportunity and lead, undecided ones; pending; in_hand); `wordings`: what a model wrote and may be used.
    """

    users: pl.DataFrame
    entities: pl.DataFrame
    recommendations: pl.DataFrame
    signals: pl.DataFrame = field(default_factory=_empty(SIGNALS))
    patterns: pl.DataFrame = field(default_factory=_empty(PATTERNS))
    events: pl.DataFrame = field(default_factory=_empty(EVENTS))
    models: pl.DataFrame = field(default_factory=_empty(MODELS))
    latest: pl.DataFrame = field(default_factory=_empty(LATEST))
    left_out: pl.DataFrame = field(default_factory=_empty(LEFT_OUT))
    counts: pl.DataFrame = field(default_factory=_empty(COUNTS))
    wordings: pl.DataFrame = field(default_factory=_empty(WORDINGS))
