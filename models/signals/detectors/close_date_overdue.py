"""close_date_overdue: still open after the day it was to close."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event
from models.signals.text import days

_late = -pl.col("days_to_close")

DETECTOR = Detector(
    signal_type="close_date_overdue",
    definition="The expected close date has passed and the deal is open.",
    closes="The date is corrected, or the deal is decided.",
    needs="Expected close dates.",
    entity_types=(OPPORTUNITY,),
    polarity="-",
    predicts=False,
    condition=_late >= 1,
    strength=1 + _late / 14,
    title=pl.format("Was to close {} ago and is still open", days(_late)),
    anchor=event("close_date_event_id"),
    evidence=("close_date_event_id",),
    since_days=_late,
    data={"days_overdue": _late, "expected_close_date": pl.col("expected_close_date").cast(pl.String)},
)
