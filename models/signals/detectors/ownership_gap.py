"""ownership_gap: nobody is responsible. Silent for tenants that assign no owners."""

import polars as pl

from models.signals.detector import LEAD, OPPORTUNITY, Detector, event
from models.signals.text import days

_age = pl.col("age_days").fill_null(0.0)

DETECTOR = Detector(
    signal_type="ownership_gap",
    definition="For a day, nobody has been responsible.",
    closes="Somebody owns it.",
    needs="Owners on the records.",
    entity_types=(OPPORTUNITY, LEAD),
    polarity="-",
    condition=pl.col("owner_id").is_null() & (_age >= 1),
    strength=1 + _age.clip(0, 28) / 28,
    title=pl.format("Nobody owns this, {} after it came in", days(_age)),
    anchor=event("created_event_id"),
    evidence=("created_event_id",),
    since_days=_age,
    data={"age_days": _age},
    records="owners",
)
