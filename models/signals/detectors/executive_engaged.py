"""executive_engaged (+): somebody from the top takes part, beside the one we talk to every day."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event
from models.signals.text import days
from models.signals.thresholds import t

_ago = pl.col("executive_days")
_when = pl.when(_ago < 1).then(pl.lit("today")).otherwise(pl.format("{} ago", days(_ago)))
_beside = pl.col("executive_contact_id").ne_missing(pl.col("champion_contact_id"))

DETECTOR = Detector(
    signal_type="executive_engaged",
    definition="An executive who is not the champion came back to us in the last `executive_days` days.",
    closes="`executive_days` days without them, or when the deal is decided.",
    needs="Seniority or title of contacts, and contacts on activities.",
    entity_types=(OPPORTUNITY,),
    polarity="+",
    condition=(_ago <= t("executive_days")) & _beside,
    strength=1 + (t("executive_days") - _ago) / t("executive_days"),
    title=pl.format("An executive of theirs has been in touch, last {}", _when),
    anchor=event("executive_event_id"),
    evidence=("executive_event_id",),
    since_days=_ago,
    data={"executive_days": _ago},
    records="roles",
)
