"""past_champion_new_company (+): somebody who championed a deal that we won works at another company now."""

import polars as pl

from models.signals.detector import ACCOUNT, Detector, event
from models.signals.text import days

_came = pl.col("past_champion_days")
_when = pl.when(_came < 1).then(pl.lit("today")).otherwise(pl.format("{} ago", days(_came)))

DETECTOR = Detector(
    signal_type="past_champion_new_company",
    definition="Somebody came here within 90 days from an account where they were the champion of a deal that was won.",
    closes="90 days after they came, or when they leave.",
    needs="Moves of contacts to other accounts; contacts on activities of won deals.",
    entity_types=(ACCOUNT,),
    polarity="+",
    condition=_came.is_not_null(),
    strength=pl.lit(2.0),
    title=pl.format("Somebody who helped you win a deal elsewhere works here now: known {}", _when),
    anchor=event("past_champion_event_id"),
    evidence=("past_champion_event_id",),
    since_days=_came,
    lives_days=30,
    data={"came_days": _came},
)
