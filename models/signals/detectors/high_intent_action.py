"""high_intent_action (+): the customer just did what buyers do: answered an offer, asked for a meeting, came back."""

import polars as pl

from models.signals.detector import LEAD, OPPORTUNITY, Detector, event, number
from models.signals.text import days
from models.signals.thresholds import t

SAID = {
    "proposal.replied": "The customer answered the offer",
    "meeting.scheduled": "The customer asked for a meeting",
    "form.submitted": "The customer sent a form while the deal is open",
}
_acted = pl.col("days_since_intent") <= t("intent_days")
_came_back = (number("returning_visits") >= t("intent_touches")) & (
    pl.col("days_since_last_inbound") <= t("intent_days")
)
_ago = pl.when(_acted).then(pl.col("days_since_intent")).otherwise(pl.col("days_since_last_inbound"))
_event = pl.when(_acted).then(pl.col("intent_event_id")).otherwise(event("last_inbound_event_id"))
_when = pl.when(_ago < 1).then(pl.lit("today")).otherwise(pl.format("{} ago", days(_ago)))

DETECTOR = Detector(
    signal_type="high_intent_action",
    definition=(
        "In the last `intent_days` days the customer answered an offer, asked for a meeting or sent a form about an "
        "open deal, or came back on their own `intent_touches` times."
    ),
    closes="`intent_days` days after the action.",
    needs="Answers to offers, meetings, forms, visits.",
    entity_types=(OPPORTUNITY, LEAD),
    polarity="+",
    condition=_acted.fill_null(value=False) | _came_back,
    strength=1 + (t("intent_days") - _ago) / t("intent_days"),
    title=pl.when(_acted)
    .then(pl.format("{} {}", pl.col("intent_action").replace_strict(SAID, default=None), _when))
    .otherwise(pl.format("Came back on their own, last {}", _when)),
    anchor=_event,
    evidence=(_event,),
    since_days=_ago,
    lives_days=7,
    data={"days_since": _ago, "action": pl.when(_acted).then(pl.col("intent_action"))},
    version="2",
)
