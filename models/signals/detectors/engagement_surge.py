"""engagement_surge (+): far more going on this week than in the three weeks before."""

from dataclasses import replace

import polars as pl

from models.signals.detector import ACCOUNT, LEAD, OPPORTUNITY, Detector, number, week
from models.signals.thresholds import t

_now = number("engagement_week")
_before = number("engagement_prior_week_mean")
_ratio = _now / pl.max_horizontal(_before, pl.lit(1.0))

DEAL_DETECTOR = Detector(
    signal_type="engagement_surge",
    definition=(
        "This week at least `surge_floor` of two-way engagement, and `surge_ratio` times a week of the three "
        "before; known for `surge_min_age` days."
    ),
    closes="The week is over.",
    needs="Emails, meetings and calls, both ways.",
    entity_types=(OPPORTUNITY, LEAD),
    polarity="+",
    learns="surge_ratio",
    condition=(_now >= t("surge_floor")) & (_ratio >= t("surge_ratio")) & (pl.col("known_days") >= t("surge_min_age")),
    strength=_ratio / t("surge_ratio"),
    title=pl.when(_before < 0.1)
    .then(pl.lit("Active this week after three quiet weeks"))
    .when(_ratio > 3)
    .then(pl.lit("More going on this week than in the three weeks before together"))
    .otherwise(pl.format("{} times as much going on this week as in the weeks before", _ratio.round(1))),
    anchor=week(),
    evidence=("last_activity_event_id", "last_inbound_event_id"),
    since_days=pl.coalesce("days_since_last_activity", pl.lit(0.0)),
    lives_days=7,
    data={"this_week": _now, "weeks_before": _before},
)

# Where every account is one person, the person's lead or deal says it already.
ACCOUNT_DETECTOR = replace(DEAL_DETECTOR, entity_types=(ACCOUNT,), records="account_teams")
