"""new_stakeholder (+): one more person on their side takes part."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event
from models.signals.text import days
from models.signals.thresholds import t

_ago = pl.col("newcomer_days")
_when = pl.when(_ago < 1).then(pl.lit("today")).otherwise(pl.format("{} ago", days(_ago)))

DETECTOR = Detector(
    signal_type="new_stakeholder",
    definition="Somebody first came back to us in the last `newcomer_days` days, after others had.",
    closes="`newcomer_days` days later, or when the deal is decided.",
    needs="Contacts on activities; deals with several people.",
    entity_types=(OPPORTUNITY,),
    polarity="+",
    condition=_ago <= t("newcomer_days"),
    strength=1 + (t("newcomer_days") - _ago) / t("newcomer_days"),
    title=pl.format("Somebody new on their side took part, first {}", _when),
    anchor=event("newcomer_event_id"),
    evidence=("newcomer_event_id",),
    since_days=_ago,
    data={"newcomer_days": _ago},
    records="several_contacts",
)
