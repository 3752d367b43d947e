"""engagement_drop: a relationship that was alive went quiet this week."""

from dataclasses import replace

import polars as pl

from models.signals.detector import ACCOUNT, LEAD, OPPORTUNITY, Detector, number, week
from models.signals.thresholds import t

_now = number("engagement_week")
_before = pl.col("engagement_prior_week_mean")

DEAL_DETECTOR = Detector(
    signal_type="engagement_drop",
    definition=(
        "Three weeks with at least `drop_floor` of two-way engagement each, and this week at most `drop_ratio` of that."
    ),
    closes="The week is over, or there is contact again.",
    needs="Emails, meetings and calls, both ways.",
    entity_types=(OPPORTUNITY, LEAD),
    polarity="-",
    learns="drop_ratio",
    condition=(_before >= t("drop_floor")) & (_now <= t("drop_ratio") * _before),
    strength=_before / t("drop_floor"),
    title=pl.when(_now < 0.1)
    .then(pl.lit("Nothing this week, after three lively weeks"))
    .otherwise(
        pl.format(
            "Activity fell to {} % of what it was in the weeks before", (100 * _now / _before).round(0).cast(pl.Int64)
        )
    ),
    anchor=week(),
    evidence=("last_activity_event_id",),
    since_days=pl.coalesce("days_since_last_activity", pl.lit(0.0)),
    lives_days=7,
    data={"this_week": _now, "weeks_before": _before},
)

# Where every account is one person, the person's lead or deal says it already.
ACCOUNT_DETECTOR = replace(DEAL_DETECTOR, entity_types=(ACCOUNT,), records="account_teams")
