"""champion_left: whoever spoke for us over there is no longer at the account."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event
from models.signals.text import days
from models.signals.thresholds import t

_gone = pl.col("champion_left_days")
_late_stage = pl.col("stage").is_in(["proposal", "negotiation"])
_when = pl.when(_gone < 1).then(pl.lit("today")).otherwise(pl.format("{} ago", days(_gone)))

DETECTOR = Detector(
    signal_type="champion_left",
    definition="The champion was known to be at the account and is gone, for at most `champion_left_days` days.",
    closes="Somebody else becomes the champion, they come back, or the deal is decided.",
    needs="Contacts on activities, and their moves to other accounts.",
    entity_types=(OPPORTUNITY,),
    polarity="-",
    condition=_gone <= t("champion_left_days"),
    strength=pl.when(_late_stage).then(3.0).otherwise(2.0),
    title=pl.format("Your champion is no longer with the company: known {}", _when),
    anchor=event("champion_left_event_id"),
    evidence=("champion_left_event_id", "champion_inbound_event_id"),
    since_days=_gone,
    data={"left_days": _gone},
)
