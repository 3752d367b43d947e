"""high_intent_action (+): the customer just did what buyers do: answered an offer, came back on their own."""

import polars as pl

from models.signals.detector import LEAD, OPPORTUNITY, Detector, event, number
from models.signals.text import days
from models.signals.thresholds import t

_replied = number("proposals_replied") >= 1
_answered = pl.coalesce("days_since_last_proposal_reply", "days_since_last_inbound")
_ago = pl.when(_replied).then(_answered).otherwise(pl.col("days_since_last_inbound"))
_came_back = number("returning_visits") >= t("intent_touches")
_when = pl.when(_ago < 1).then(pl.lit("today")).otherwise(pl.format("{} ago", days(_ago)))

DETECTOR = Detector(
    signal_type="high_intent_action",
    definition=(
        "In the last `intent_days` days the customer answered an offer or asked for a meeting, or came back on "
        "their own `intent_touches` times."
    ),
    closes="A week after the action.",
    needs="Answers to offers, forms, visits.",
    entity_types=(OPPORTUNITY, LEAD),
    polarity="+",
    condition=(_replied | _came_back) & (_ago <= t("intent_days")),
    strength=1 + (t("intent_days") - _ago) / t("intent_days"),
    title=pl.when(_replied)
    .then(pl.format("The customer answered the offer {}", _when))
    .otherwise(pl.format("Came back on their own, last {}", _when)),
    anchor=event("last_inbound_event_id"),
    evidence=("last_inbound_event_id",),
    since_days=_ago,
    lives_days=7,
    data={"days_since_last_inbound": _ago, "proposals_replied": number("proposals_replied")},
)
