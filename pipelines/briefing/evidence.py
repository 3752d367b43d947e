"""What an event says, in a few words, for the proof under a recommendation.

Belongs here: the words for each event type. Which events are proof was decided by the detectors.
"""

from collections.abc import Callable, Mapping
from typing import Any

Data = Mapping[str, Any]


def describe(event_type: str, data: Data) -> str:
    """One short line, such as `Call by us, 4 minutes`."""
    words = _WORDS.get(event_type)
    return words(data) if words else event_type.replace(".", " ").replace("_", " ").capitalize()


def _call(data: Data) -> str:
    who = "Call from the customer" if data.get("direction") == "inbound" else "Call by us"
    seconds = data.get("duration_seconds")
    return f"{who}, {_minutes(seconds)}" if seconds else who


def _minutes(seconds: float) -> str:
    minutes = max(1, int(seconds // 60))
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _about(words: str) -> Callable[[Data], str]:
    def described(data: Data) -> str:
        subject = str(data.get("subject") or "").strip()
        return f"{words}: {subject[:80]}" if subject else words

    return described


def _stage(data: Data) -> str:
    status = data.get("status")
    if status in ("won", "lost"):
        return f"Deal {status}"
    return f"Stage changed to {data.get('to_stage', 'another')}"


def _changed(data: Data) -> str:
    after = data.get("after") or {}
    return f"Changed: {', '.join(sorted(after)).replace('_', ' ')}" if after else "Changed"


_WORDS: dict[str, Callable[[Data], str]] = {
    "call.scheduled": _about("Call planned"),
    "call.completed": _call,
    "email.sent": _about("Email to the customer"),
    "email.received": _about("Email from the customer"),
    "email.opened": _about("Email opened"),
    "email.clicked": _about("Link clicked"),
    "meeting.scheduled": _about("Meeting scheduled"),
    "meeting.completed": _about("Meeting held"),
    "task.created": _about("Task planned"),
    "task.completed": _about("Task done"),
    "note.created": _about("Note"),
    "form.submitted": _about("Form submitted by the customer"),
    "page.viewed": _about("Page viewed by the customer"),
    "proposal.sent": _about("Offer sent"),
    "proposal.replied": _about("Customer answered the offer"),
    "opportunity.created": lambda _: "Opportunity opened",
    "opportunity.stage_changed": _stage,
    "opportunity.updated": _changed,
    "lead.created": lambda data: f"Lead came in ({data['source']})" if data.get("source") else "Lead came in",
    "lead.updated": _changed,
    "account.created": lambda _: "Account created",
    "account.updated": _changed,
}
