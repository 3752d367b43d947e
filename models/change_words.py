"""What made a feature move: an event of the entity, time alone, its owner's record; and what each is called.

Belongs here: those rules, and words. A feature that went the way that time takes it is not an event's doing, even if
there was one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

EVENT, TIME, OWNER, MODEL, OTHER, UNKNOWN, BOUNDS = "event", "time", "owner", "model", "other", "unknown", "bounds"

_WORDS = {
    TIME: "Time passed",
    OWNER: "The owner's record",
    MODEL: "A new model version",
    OTHER: "Other features",
    UNKNOWN: "Inputs or model are no longer kept",
    BOUNDS: "Points end at 0 and 100",
}
_EVENTS = {
    "call.completed": "Call",
    "email.clicked": "Link in an email clicked",
    "email.opened": "Email opened",
    "email.received": "Email from the customer",
    "email.sent": "Email sent",
    "form.submitted": "Form submitted",
    "lead.converted": "Lead converted",
    "lead.created": "Lead created",
    "lead.updated": "Lead changed",
    "meeting.completed": "Meeting held",
    "meeting.scheduled": "Meeting booked",
    "note.created": "Note",
    "opportunity.created": "Opportunity opened",
    "opportunity.stage_changed": "Stage changed",
    "opportunity.updated": "Opportunity changed",
    "page.viewed": "Page viewed",
    "proposal.replied": "Proposal answered",
    "proposal.sent": "Proposal sent",
}
# what only events of a kind can move (the kind is the type, or what is before its dot)
_FOLLOWS = {
    "account": ("industry", "country", "employee_count", "annual_revenue_minor"),
    "call": ("calls_", "call_", "days_since_last_call"),
    "contact": ("contacts_total",),
    "email": ("emails_",),
    "form": ("forms_",),
    "lead.updated": ("status", "days_in_status", "source"),
    "meeting": ("meetings_",),
    "note": ("notes_", "days_since_last_note"),
    "opportunity.stage_changed": ("stage", "days_in_stage", "opportunity_stage"),
    "opportunity.updated": ("close_date_", "days_to_close", "amount_"),
    "page": ("pages_",),
    "proposal": ("proposals_", "days_since_last_proposal"),
    "task": ("has_next_step", "next_step_"),
}
_GROWS = ("age_days", "days_since_", "days_in_")
_SHRINKS = ("days_to_close", "next_step_in_days")
_FADES = ("engagement_decayed", "engagement_week", "engagement_prior_week_mean")
_WINDOWS = ("_7d", "_30d")
_TOLERANCE = 0.01  # days


@dataclass(frozen=True)
class Cause:
    """A kind of cause; of events, their types."""

    kind: str
    types: tuple[str, ...] = ()


def cause_of(name: str, old: float, new: float, *, days: float, types: Sequence[str]) -> Cause:
    """What moved the feature `name` from `old` to `new` in `days`, in which events of `types` came in.

    A value that stayed (NaN is missing) weighs differently because the entity is older.
    """
    if old == new or (isnan(old) and isnan(new)) or _is_time(name, old, new, days):
        return Cause(TIME)
    if name.startswith("owner_"):
        return Cause(OWNER)
    own = tuple(
        kind for kind in types if name.startswith(_FOLLOWS.get(kind, _FOLLOWS.get(kind.partition(".")[0], ("-",))))
    )
    found = own or tuple(types)
    return Cause(EVENT, found) if found else Cause(OTHER)


def words_of(cause: Cause) -> str:
    """What a person calls it."""
    if cause.kind != EVENT:
        return _WORDS[cause.kind]
    words = [_EVENTS.get(kind, kind.replace(".", " ").replace("_", " ").capitalize()) for kind in cause.types]
    return ", ".join([words[0], *(word[:1].lower() + word[1:] for word in words[1:])])


def _is_time(name: str, old: float, new: float, days: float) -> bool:
    if name.startswith(_SHRINKS):
        return abs(old - new - days) < _TOLERANCE
    if name.startswith(_GROWS):
        return abs(new - old - days) < _TOLERANCE
    return new < old and (name.startswith(_FADES) or name.endswith(_WINDOWS))
