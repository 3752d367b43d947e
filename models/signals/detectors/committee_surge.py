"""committee_surge (+): more of their people take part than two weeks ago."""

import polars as pl

from models.signals.detector import OPPORTUNITY, Detector, number, week
from models.signals.text import counted
from models.signals.thresholds import t

_now = number("contacts_engaged_14d")
_before = number("contacts_engaged_before")
_ratio = _now / pl.max_horizontal(_before, pl.lit(1.0))

DETECTOR = Detector(
    signal_type="committee_surge",
    definition=(
        "At least `committee_floor` people came back to us in the last 14 days, `committee_ratio` times as many as "
        "in the 14 days before."
    ),
    closes="The week is over and it is no longer so, or the deal is decided.",
    needs="Contacts on activities; deals with several people.",
    entity_types=(OPPORTUNITY,),
    polarity="+",
    learns="committee_ratio",
    condition=(_now >= t("committee_floor")) & (_ratio >= t("committee_ratio")),
    strength=_ratio / t("committee_ratio"),
    title=pl.format(
        "{} of theirs took part in two weeks, {} in the two before",
        counted(_now, "person").str.replace("persons", "people"),
        _before.cast(pl.Int64),
    ),
    anchor=week(),
    evidence=("last_inbound_event_id", "newcomer_event_id"),
    since_days=pl.lit(0.0),
    lives_days=7,
    data={"people": _now, "people_before": _before},
    records="several_contacts",
)
