"""champion_unresponsive: whoever speaks for us over there does not answer us any more."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event, number
from models.signals.text import counted, days
from models.signals.thresholds import t

_silent = pl.col("champion_silent_days")
_touches = number("champion_outbound_since")
_usual = pl.coalesce(pl.col("median_reply_hours") / 24, pl.col("norm_reply_days"))
_line = pl.max_horizontal(t("champion_ratio") * _usual.fill_null(t("reply_days_without_history")), t("champion_floor"))

DETECTOR = Detector(
    signal_type="champion_unresponsive",
    definition=(
        "At least `champion_touches` of ours to the champion since they last came back to us or we talked, longer ago "
        "than `champion_ratio` times the usual reply time, at least `champion_floor` days."
    ),
    closes="The champion answers or talks to us, or is no longer at the account.",
    needs="Contacts on activities, both ways; deals with several people.",
    entity_types=(OPPORTUNITY,),
    polarity="-",
    learns="champion_ratio",
    condition=(_touches >= t("champion_touches")) & (_silent > _line) & pl.col("champion_left_days").is_null(),
    strength=_silent / _line,
    title=pl.format("Your champion has left {} without an answer for {}", counted(_touches, "message"), days(_silent)),
    anchor=event("champion_inbound_event_id"),
    evidence=("champion_outbound_event_id", "champion_inbound_event_id"),
    since_days=_silent - _line,
    data={
        "silent_days": _silent,
        "touches": _touches,
        "usual_reply_days": _usual,
        "line": _line,
    },
    records="several_contacts",
    version="2",
)
