"""close_date_slipped: the close date keeps moving away. Days are those of all moves out, whatever was pulled in."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event, number
from models.signals.text import counted, days
from models.signals.thresholds import t

_slips = number("close_date_slips")
_days = number("close_date_slip_days")

DETECTOR = Detector(
    signal_type="close_date_slipped",
    definition="The close date moved out `slips` times, or once by at least `slip_days` days in all.",
    closes="The deal is decided.",
    needs="Changes of close dates as events.",
    entity_types=(OPPORTUNITY,),
    polarity="-",
    condition=((_slips >= t("slips")) & (_days > 0)) | ((_slips >= 1) & (_days >= t("slip_days"))),
    strength=pl.max_horizontal(_slips / t("slips"), _days / t("slip_days")),
    title=pl.when(_slips <= 1)
    .then(pl.format("Close date moved out by {}", days(_days)))
    .otherwise(pl.format("Close date moved out {}, by {} in all", counted(_slips, "time"), days(_days))),
    anchor=event("close_date_slip_event_id"),
    evidence=("close_date_slip_event_id",),
    since_days=pl.coalesce("days_since_last_activity", pl.lit(0.0)),
    data={"slips": _slips, "slip_days": _days},
    version="2",
)
