"""Which types of events other systems may send, and what each of them does here."""

from dataclasses import dataclass
from typing import Literal

Action = Literal["create", "change", "move", "convert", "delete", "happen"]


@dataclass(frozen=True)
class Accepted:
    """What a type of event is about, and what it does."""

    kind: str
    action: Action
    activity_kind: str = ""
    direction: str = ""
    directions: tuple[str, ...] = ("inbound", "outbound", "internal")
    """Directions that the type can have; `direction` where none is given."""


RECORDS = ("account", "contact", "lead", "opportunity")
_OUTWARD = ("outbound", "internal")
_INWARD = ("inbound",)
PLANNED = ("meeting.scheduled", "call.scheduled", "task.created")
COMPLETED = ("meeting.completed", "call.completed", "task.completed")
FOLLOWING = ("email.opened", "email.clicked")
"""Types that tell more of an activity that was told before, and are no activity of their own."""

ACCEPTED: dict[str, Accepted] = {
    **{f"{kind}.created": Accepted(kind, "create") for kind in RECORDS},
    **{f"{kind}.updated": Accepted(kind, "change") for kind in RECORDS},
    **{f"{kind}.deleted": Accepted(kind, "delete") for kind in (*RECORDS, "activity")},
    "opportunity.stage_changed": Accepted("opportunity", "move"),
    "lead.converted": Accepted("lead", "convert"),
    "email.sent": Accepted("activity", "happen", "email", "outbound", _OUTWARD),
    "email.received": Accepted("activity", "happen", "email", "inbound", _INWARD),
    "email.opened": Accepted("activity", "happen", "email", "inbound", _INWARD),
    "email.clicked": Accepted("activity", "happen", "email", "inbound", _INWARD),
    "meeting.scheduled": Accepted("activity", "happen", "meeting", "outbound"),
    "meeting.completed": Accepted("activity", "happen", "meeting", "outbound"),
    "call.scheduled": Accepted("activity", "happen", "call", "outbound"),
    "call.completed": Accepted("activity", "happen", "call", "outbound"),
    "task.created": Accepted("activity", "happen", "task", "internal"),
    "task.completed": Accepted("activity", "happen", "task", "internal"),
    "note.created": Accepted("activity", "happen", "note", "internal"),
    "form.submitted": Accepted("activity", "happen", "form", "inbound"),
    "page.viewed": Accepted("activity", "happen", "page_view", "inbound"),
    "proposal.sent": Accepted("activity", "happen", "proposal", "outbound", _OUTWARD),
    "proposal.replied": Accepted("activity", "happen", "proposal", "inbound", _INWARD),
}

# In this order a batch takes effect, so that what refers comes after what it refers to.
RANKS = {"account": 0, "contact": 1, "lead": 2, "opportunity": 3, "activity": 5}
CONVERSION_RANK = 4
PLURALS = {kind: f"{kind}s" for kind in RECORDS} | {"opportunity": "opportunities", "activity": "activities"}
