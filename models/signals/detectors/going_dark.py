"""going_dark: there was contact, and now there is none either way, and none is planned."""

import polars as pl

from models.signals.detector import LEAD, OPPORTUNITY, Detector, event, number
from models.signals.text import days
from models.signals.thresholds import t

_silent = pl.col("days_since_last_activity")

DETECTOR = Detector(
    signal_type="going_dark",
    definition="There was contact, and none either way for `dark_days` days, and nothing is planned.",
    closes="There is contact, either way, or something is planned.",
    needs="Emails, meetings and calls.",
    entity_types=(OPPORTUNITY, LEAD),
    polarity="-",
    learns="dark_days",
    condition=(_silent >= t("dark_days")) & (number("has_next_step") == 0),
    strength=_silent / t("dark_days"),
    title=pl.format("Silence on both sides for {}", days(_silent)),
    anchor=event("last_activity_event_id"),
    evidence=("last_activity_event_id",),
    since_days=_silent - t("dark_days"),
    data={"days_since_last_activity": _silent},
    version="2",
)
