"""lead_ready (+): among the likeliest to buy of those that are not an opportunity yet. Needs scores."""

import polars as pl

from models.signals.detector import LEAD, Detector, event, number
from models.signals.text import percent
from models.signals.thresholds import t

_keen = number("intent_points") >= t("ready_intent_points")
_chance = pl.col("conversion_probability")
# the best of few chances are no good news
_usual = (pl.col("conversion_logit") >= pl.col("conversion_usual")).fill_null(value=True)
_among_best = (_chance >= pl.col("ready_line")).fill_null(value=False) & _usual
_shown = pl.col("conversion_display").fill_null("probability") == "probability"
_likely = (pl.col("conversion_band").fill_null("") == "A") | _among_best

DETECTOR = Detector(
    signal_type="lead_ready",
    definition=(
        "In band A, or among the likeliest tenth to buy and no less likely than usual, or `ready_intent_points` points "
        "of intent, and no deal yet."
    ),
    closes="The lead is converted or disqualified, or is no longer among the likeliest.",
    needs="Scores.",
    entity_types=(LEAD,),
    polarity="+",
    condition=(_likely | _keen) & pl.col("opportunity_id").is_null(),
    strength=1 + pl.when(_likely & _keen).then(1.0).otherwise(0.25),
    title=pl.when(_likely & _shown & _chance.is_not_null())
    .then(pl.format("Among your likeliest leads: {} chance to buy", percent(_chance)))
    .when(_likely & _chance.is_not_null())
    .then(pl.lit("Among your likeliest leads"))
    .otherwise(pl.lit("Shows strong interest right now")),
    anchor=event("created_event_id"),
    evidence=("last_inbound_event_id", "created_event_id"),
    since_days=pl.coalesce("days_since_last_inbound", "age_days", pl.lit(0.0)),
    version="2",
    data={"probability": pl.when(_shown).then(_chance), "intent_points": pl.col("intent_points")},
)
