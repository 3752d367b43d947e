"""answer_owed: they wrote, and nobody has been in touch since. The wait begins with the first message of theirs.

Of leads only where we had been in touch before: the others are `lead_untouched`.
"""

import polars as pl

from models.signals.detector import LEAD, OPPORTUNITY, Detector, event, number
from models.signals.text import counted, days
from models.signals.thresholds import t

_waiting = pl.col("unanswered_days")
_since = pl.when(_waiting < 1).then(counted(_waiting * 24, "hour")).otherwise(days(_waiting))

DETECTOR = Detector(
    signal_type="answer_owed",
    definition=(
        "The customer wrote at least `answer_days` and at most `answer_forgotten` days ago, and nobody has written, "
        "called or met them since."
    ),
    closes="Somebody writes, calls or meets them.",
    needs="Emails or forms, both ways.",
    entity_types=(OPPORTUNITY, LEAD),
    polarity="-",
    predicts=False,
    condition=(_waiting >= t("answer_days")) & (_waiting <= t("answer_forgotten")) & (number("outbound_total") >= 1),
    strength=1 + _waiting / 2,
    title=pl.format("They wrote {} ago and have no answer", _since),
    anchor=event("unanswered_event_id"),
    evidence=("unanswered_event_id", "last_outbound_event_id"),
    since_days=_waiting - t("answer_days"),
    data={"unanswered_days": _waiting},
)
