"""amount_changed (±): the amount is far from the first one; `amount_change_ratio` is the present over the first."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event, number
from models.signals.text import percent
from models.signals.thresholds import t

# a fifth is a fifth: 1.2 - 1 is a little less
_change = (pl.col("amount_change_ratio") - 1).round(6)

DETECTOR = Detector(
    signal_type="amount_changed",
    definition="The amount is at least `amount_change` away from the first one.",
    closes="The amount comes near the first one again, or the deal is decided.",
    needs="Amounts, and their changes as events.",
    entity_types=(OPPORTUNITY,),
    polarity=pl.when(_change > 0).then(pl.lit("+")).otherwise(pl.lit("-")),
    condition=(number("amount_changes") >= 1) & (_change.abs() >= t("amount_change")),
    strength=_change.abs() / t("amount_change"),
    title=pl.format(
        "Amount is {} {} than at first",
        percent(_change.abs()),
        pl.when(_change > 0).then(pl.lit("higher")).otherwise(pl.lit("lower")),
    ),
    anchor=event("amount_event_id"),
    evidence=("amount_event_id",),
    since_days=pl.lit(0.0),
    data={"change": _change, "changes": number("amount_changes")},
)
