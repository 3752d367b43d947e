"""account_event (±): the company grew or shrank. Told on the deal where one is open, else on the account."""

from dataclasses import replace

import polars as pl

from models.signals.detector import ACCOUNT, OPPORTUNITY, Detector, event, number
from models.signals.text import percent
from models.signals.thresholds import t

_change = pl.col("account_change")
_grew = _change > 0

DEAL_DETECTOR = Detector(
    signal_type="account_event",
    definition=(
        "Within 30 days it was recorded, or a provider told, that headcount or revenue of the company is "
        "`account_change` away from before."
    ),
    closes="30 days after it was recorded.",
    needs="Headcount or revenue of accounts, changed by people or told twice by enrichment.",
    entity_types=(OPPORTUNITY,),
    polarity=pl.when(_grew).then(pl.lit("+")).otherwise(pl.lit("-")),
    condition=_change.abs() >= t("account_change"),
    strength=_change.abs() / t("account_change"),
    title=pl.format(
        "The company {}: {} {} {}",
        pl.when(_grew).then(pl.lit("is growing")).otherwise(pl.lit("is shrinking")),
        pl.col("account_change_kind"),
        pl.when(_grew).then(pl.lit("up")).otherwise(pl.lit("down")),
        percent(_change.abs()),
    ),
    anchor=event("account_change_event_id"),
    evidence=("account_change_event_id",),
    since_days=pl.col("account_change_days"),
    lives_days=30,
    data={"kind": pl.col("account_change_kind"), "change": _change},
)

ACCOUNT_DETECTOR = replace(
    DEAL_DETECTOR,
    entity_types=(ACCOUNT,),
    condition=DEAL_DETECTOR.condition & (number("open_opportunities") == 0),
)
