"""missing_power: late in the deal, and nobody who can say yes has talked to us."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event, number
from models.signals.text import counted

_told = number("people_told")
_worst = pl.when(pl.col("stage") == "negotiation").then(2.0).otherwise(1.5)

DETECTOR = Detector(
    signal_type="missing_power",
    definition=(
        "In proposal or negotiation, and none of the people who came back to us is an executive or recorded as the "
        "one who decides. Silent while nothing is recorded of who they are."
    ),
    closes="Somebody with power comes back to us, the stage changes, or the deal is decided.",
    needs="Role, seniority or title of contacts.",
    entity_types=(OPPORTUNITY,),
    polarity="-",
    condition=pl.col("stage").is_in(["proposal", "negotiation"]) & (_told >= 1) & (number("power_engaged") == 0),
    strength=_worst,
    title=pl.format("In {}, and none of the {} you talk to can say yes", pl.col("stage"), counted(_told, "contact")),
    anchor=event("stage_event_id"),
    evidence=("stage_event_id", "last_inbound_event_id"),
    since_days=pl.col("days_in_stage"),
    data={"people_told": _told},
    records="roles",
)
