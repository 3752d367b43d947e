"""ghosted: we wrote, called or sent an offer, and the answer is overdue by the customer's own standard.

A meeting, call or task that lies ahead is the answer to the silence already, and a call long enough to talk is contact.
"""

import polars as pl

from models.signals.detector import LEAD, OPPORTUNITY, Detector, event, number
from models.signals.text import counted, days, money
from models.signals.thresholds import t

# an answer that is younger than the last offer answers it, however many were sent before
_answered = pl.col("days_since_last_proposal_reply") <= pl.col("days_since_last_proposal")
_offer_open = (number("proposals_sent") > number("proposals_replied")) & ~_answered.fill_null(value=False)
_touches = pl.coalesce("attempts_since_contact", number("outbound_since_last_inbound"))
_unheard = pl.coalesce("days_since_contact", "days_since_last_inbound", "age_days")
_since_offer = pl.when(_offer_open).then(pl.col("days_since_last_proposal"))
# whoever has been heard from since the offer is waited for since then
_waiting = pl.min_horizontal(_since_offer, _unheard)
_usual = pl.coalesce(pl.col("median_reply_hours") / 24, pl.col("norm_reply_days"))
_line = pl.max_horizontal(t("ghost_ratio") * _usual.fill_null(t("reply_days_without_history")), t("ghost_floor"))
_told = pl.coalesce(_since_offer, _waiting)
_soon = pl.max_horizontal(_usual.ceil(), pl.lit(1.0))
_within = days(_soon)
# a line that was learned may lie below what is usual: then that is no reason
_habit = (
    pl.when(_usual.is_null() | (_told.round(0) <= _soon))
    .then(pl.lit(""))
    .when(pl.col("median_reply_hours").is_null())
    .then(pl.format("; customers here usually reply within {}", _within))
    .otherwise(pl.format("; they usually reply within {}", _within))
)
_offer = (
    pl.when(pl.col("value_minor").is_null() | pl.col("currency").is_null())
    .then(pl.lit("Offer"))
    .otherwise(pl.format("Offer of {}", money(pl.col("value_minor"), pl.col("currency"))))
)

DETECTOR = Detector(
    signal_type="ghosted",
    definition=(
        "At least `ghost_touches` of ours, or an offer, without an answer for longer than `ghost_ratio` times the "
        "usual reply time, at least `ghost_floor` days, and nothing planned."
    ),
    closes="The customer answers, a call becomes a conversation, another offer is sent, or something is planned.",
    needs="Emails, calls and offers, both ways.",
    entity_types=(OPPORTUNITY, LEAD),
    polarity="-",
    learns="ghost_ratio",
    condition=((_touches >= t("ghost_touches")) | ((number("outbound_since_last_inbound") >= 1) & _offer_open))
    & (_waiting > _line)
    & (number("has_next_step") == 0),
    strength=_waiting / _line,
    title=pl.when(_offer_open)
    .then(pl.format("{} sent {} ago, no answer{}", _offer, days(_told), _habit))
    .otherwise(pl.format("{} without an answer for {}{}", counted(_touches, "attempt"), days(_told), _habit)),
    anchor=event("last_inbound_event_id"),
    evidence=("last_outbound_event_id", "last_inbound_event_id"),
    since_days=_waiting - _line,
    data={"waiting_days": _waiting, "touches": _touches, "usual_reply_days": _usual, "line": _line},
    version="4",
)
