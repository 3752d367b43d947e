"""What a seller can do about a score: the agreed list of changes, each of one or more features, each in one direction.

Belongs here: that list. What a change would make of a score is `counterfactuals`; nothing here says that it would work.
"""

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """How a feature changes. Nothing else may change it, so each goes one way only."""

    MORE = "more"  # one more than now
    LESS = "less"  # one less than now
    NOW = "now"  # to the least value seen: it has just happened
    SOONER = "sooner"  # to the lower quartile of what is seen
    YES = "yes"  # to one
    TYPICAL = "typical"  # to the median of what is seen, where there is no value


@dataclass(frozen=True)
class Lever:
    """A change: `action` is the recommendation that would bring it about, where there is one."""

    code: str
    action: str | None
    text: str
    steps: tuple[tuple[str, Step], ...]


def _more(names: str) -> tuple[tuple[str, Step], ...]:
    return tuple((name, Step.MORE) for name in names.split())


_TOUCH = (
    *_more("outbound_total outbound_7d outbound_30d"),
    ("days_since_last_outbound", Step.NOW),
    ("days_since_last_activity", Step.NOW),
)

LEVERS = (
    Lever("meeting", "book_meeting", "One more meeting", _more("meetings_total meetings_30d")),
    Lever("contact", "add_contact", "One more contact engaged", _more("contacts_total contacts_engaged_30d")),
    Lever(
        "next_step",
        "set_next_step",
        "A next step planned",
        (("has_next_step", Step.YES), ("next_step_in_days", Step.TYPICAL)),
    ),
    Lever(
        "call", "call", "A call today", (*_more("calls_total calls_7d"), ("days_since_last_call", Step.NOW), *_TOUCH)
    ),
    Lever("email", "draft_email", "An email today", (*_more("emails_total"), *_TOUCH)),
    Lever("proposal", None, "An offer sent today", (*_more("proposals_sent"), ("days_since_last_proposal", Step.NOW))),
    Lever("answers", None, "Answers as fast as your fastest quarter", (("median_response_hours", Step.SOONER),)),
    Lever("facts", "enrich_record", "One more fact known of the account", (("missing_fields", Step.LESS),)),
)
