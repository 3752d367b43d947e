"""close_date_pulled_in (+): the close date came nearer."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event
from models.signals.text import days
from models.signals.thresholds import t

_earlier = pl.col("close_date_pulled_in_days")
_ago = pl.col("close_date_changed_days")

DETECTOR = Detector(
    signal_type="close_date_pulled_in",
    definition="The close date came nearer by at least `pulled_in_days` days in the last two weeks.",
    closes="Two weeks later, when the date moves again or passes, or the deal is decided.",
    needs="Changes of close dates as events.",
    entity_types=(OPPORTUNITY,),
    polarity="+",
    condition=(_earlier >= t("pulled_in_days")) & (pl.col("days_to_close") >= 0) & (_ago <= 14),
    strength=_earlier / t("pulled_in_days"),
    title=pl.format("Close date pulled in by {}", days(_earlier)),
    anchor=event("close_date_event_id"),
    evidence=("close_date_event_id",),
    since_days=_ago,
    data={"days_earlier": _earlier},
)
