"""lead_untouched: nobody has answered this lead. Silent for tenants whose outreach is not recorded."""

import polars as pl

from models.signals.detector import LEAD, Detector, event, number
from models.signals.text import days
from models.signals.thresholds import t

_age = pl.col("age_days")

DETECTOR = Detector(
    signal_type="lead_untouched",
    definition="Came in `untouched_days` days ago and nobody has been in touch.",
    closes="Somebody reaches out.",
    needs="Outreach of the team as activities.",
    entity_types=(LEAD,),
    polarity="-",
    learns="untouched_days",
    condition=(number("outbound_total") == 0)
    & (_age >= t("untouched_days"))
    & pl.col("status").is_in(["new", "working", "qualified"])
    & pl.col("opportunity_id").is_null(),
    strength=1 + (_age / t("untouched_days")).log(base=2).clip(0, 3) / 2,
    title=pl.format("Came in {} ago and nobody has been in touch", days(_age)),
    anchor=event("created_event_id"),
    evidence=("created_event_id", "last_inbound_event_id"),
    since_days=_age,
    data={"age_days": _age},
    records="outreach",
)
