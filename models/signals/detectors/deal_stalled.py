"""deal_stalled: in its stage for much longer than deals that were won."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event
from models.signals.text import days
from models.signals.thresholds import t

_usual = pl.col("norm_days_in_stage")
_limit = pl.max_horizontal(t("stall_ratio") * _usual, t("stall_floor"))
_line = pl.when(_usual.is_null()).then(t("stall_without_history")).otherwise(_limit)
_spent = pl.col("days_in_stage")

DETECTOR = Detector(
    signal_type="deal_stalled",
    definition=(
        "In its stage for more than `stall_ratio` times the median of won deals, at least `stall_floor` days; "
        "`stall_without_history` days before there are wins."
    ),
    closes="The stage changes, or the deal is decided.",
    needs="Stages; sharper with won deals.",
    entity_types=(OPPORTUNITY,),
    polarity="-",
    learns="stall_ratio",
    condition=_spent > _line,
    strength=_spent / _line,
    title=pl.when(_usual.is_null())
    .then(pl.format("{} in {} without moving on", days(_spent), pl.col("stage")))
    .otherwise(pl.format("{} in {}; deals won here usually spend {}", days(_spent), pl.col("stage"), days(_usual))),
    anchor=event("stage_event_id"),
    evidence=("stage_event_id",),
    since_days=_spent - _line,
    data={"days_in_stage": _spent, "usual_days": _usual, "line": _line},
)
