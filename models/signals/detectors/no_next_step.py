"""no_next_step: open, and nothing is planned. Silent for tenants that record no next steps at all."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event
from models.signals.text import days

_quiet = pl.coalesce("days_since_last_activity", "age_days", pl.lit(0.0))

DETECTOR = Detector(
    signal_type="no_next_step",
    definition="Open, and no meeting, call or task lies ahead.",
    closes="Something is planned, or the deal is decided.",
    needs="Meetings, calls or tasks with a date.",
    entity_types=(OPPORTUNITY,),
    polarity="-",
    condition=pl.col("has_next_step") == 0,
    strength=1 + _quiet.clip(0, 28) / 14,
    title=pl.when(_quiet < 1)
    .then(pl.lit("No meeting or task is planned"))
    .otherwise(pl.format("No meeting or task is planned, {} after the last activity", days(_quiet))),
    anchor=event("last_activity_event_id"),
    evidence=("last_activity_event_id",),
    since_days=_quiet,
    data={"days_since_last_activity": _quiet},
    records="next_steps",
)
