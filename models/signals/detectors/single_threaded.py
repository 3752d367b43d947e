"""single_threaded: everything hangs on one person. Silent for tenants that sell to one person by nature."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, event, number
from models.signals.text import money
from models.signals.thresholds import t

_engaged = number("contacts_engaged_30d")
_late_stage = pl.col("stage").is_in(["proposal", "negotiation"])
_active = number("inbound_30d") + number("outbound_30d") > 0
_amount = (
    pl.when(pl.col("value_minor").is_null() | pl.col("currency").is_null())
    .then(pl.lit("this deal"))
    .otherwise(money(pl.col("value_minor"), pl.col("currency")))
)

DETECTOR = Detector(
    signal_type="single_threaded",
    definition="Active, and fewer than `engaged_contacts` people of the other side came back to us in 30 days.",
    closes="A further person comes back to us.",
    needs="Contacts on activities; deals with several people.",
    entity_types=(OPPORTUNITY,),
    polarity="-",
    condition=_active & (_engaged < t("engaged_contacts")),
    strength=pl.when(_late_stage).then(2.0).otherwise(1.0) * (2 - _engaged / t("engaged_contacts")) / 1.5,
    title=pl.when(_engaged >= 1)
    .then(pl.format("Only one person has come back to us in 30 days, and {} hangs on them", _amount))
    .otherwise(pl.format("Nobody on their side has come back to us in 30 days, and {} hangs on it", _amount)),
    anchor=event("created_event_id"),
    evidence=("last_inbound_event_id", "last_outbound_event_id"),
    since_days=pl.lit(0.0),
    data={"contacts_engaged_30d": _engaged, "contacts_total": pl.col("contacts_total")},
    records="several_contacts",
)
