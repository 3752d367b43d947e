"""missing_data: the record lacks what others of the tenant have: a deal's amount, a buying account's facts."""

import polars as pl

from models.signals.detector import ACCOUNT, OPPORTUNITY, Detector, event, number
from models.signals.text import counted
from models.signals.thresholds import t

_missing = number("missing_fields")

ACCOUNT_DETECTOR = Detector(
    signal_type="missing_data",
    definition="A deal without an amount, or an account with an open deal that lacks `missing_fields` facts.",
    closes="The facts are recorded.",
    needs="Others of the tenant that have these facts.",
    entity_types=(ACCOUNT,),
    polarity="-",
    predicts=False,
    condition=(_missing >= t("missing_fields")) & (number("open_opportunities") >= 1),
    strength=_missing / t("missing_fields"),
    title=pl.format("{} of the account are unknown while a deal is open", counted(_missing, "fact")),
    anchor=event("created_event_id"),
    evidence=("created_event_id",),
    since_days=pl.lit(0.0),
    lives_days=30,
    data={"missing_fields": _missing},
    records="account_facts",
)

OPPORTUNITY_DETECTOR = Detector(
    signal_type="missing_data",
    definition="A deal without an amount, or an account with an open deal that lacks `missing_fields` facts.",
    closes="The facts are recorded.",
    needs="Others of the tenant that have these facts.",
    entity_types=(OPPORTUNITY,),
    polarity="-",
    predicts=False,
    condition=pl.col("value_minor").is_null(),
    strength=pl.lit(1.0),
    title=pl.lit("No amount is recorded"),
    anchor=event("created_event_id"),
    evidence=("created_event_id",),
    since_days=pl.lit(0.0),
    lives_days=30,
    data={"missing": pl.lit("value_minor")},
    records="amounts",
)
