"""close_date_unrealistic: less time left than three in four wins needed from this stage."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event
from models.signals.text import days

_left = pl.col("days_to_close")
_needed = pl.col("norm_p25_days_to_close")

DETECTOR = Detector(
    signal_type="close_date_unrealistic",
    definition="Fewer days are left than three in four wins needed from this stage.",
    closes="The date is corrected, the stage changes, or the deal is decided.",
    needs="Expected close dates, and won deals that passed the stage.",
    entity_types=(OPPORTUNITY,),
    polarity="-",
    condition=(_left >= 0) & (_left < _needed),
    strength=(_needed + 1) / (_left + 1),
    title=pl.format(
        "{} left to close from {}; three in four wins needed more than {}", days(_left), pl.col("stage"), days(_needed)
    ),
    anchor=event("close_date_event_id"),
    evidence=("close_date_event_id", "stage_event_id"),
    since_days=pl.lit(0.0),
    data={"days_left": _left, "p25_days": _needed},
)
