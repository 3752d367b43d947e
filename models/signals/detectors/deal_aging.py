"""deal_aging: open for much longer than the whole way to a win usually takes."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event
from models.signals.text import days
from models.signals.thresholds import t

_usual = pl.col("norm_cycle_days")
_limit = pl.max_horizontal(t("aging_ratio") * _usual, t("aging_floor"))
_line = pl.when(_usual.is_null()).then(t("aging_without_history")).otherwise(_limit)
_age = pl.col("age_days")

DETECTOR = Detector(
    signal_type="deal_aging",
    definition=(
        "Open for more than `aging_ratio` times what wins take, at least `aging_floor` days; "
        "`aging_without_history` days before there are wins."
    ),
    closes="The deal is decided.",
    needs="Stages; sharper with won deals.",
    entity_types=(OPPORTUNITY,),
    polarity="-",
    learns="aging_ratio",
    condition=_age > _line,
    strength=_age / _line,
    title=pl.when(_usual.is_null())
    .then(pl.format("Open for {}", days(_age)))
    .otherwise(pl.format("Open for {}; wins here usually take {}", days(_age), days(_usual))),
    anchor=event("created_event_id"),
    evidence=("created_event_id", "stage_event_id"),
    since_days=_age - _line,
    data={"age_days": _age, "usual_days": _usual, "line": _line},
)
