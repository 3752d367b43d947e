"""Which events people are told as they happen, under which topic, and how whoever listens is woken.

Belongs here: what the relay, which writes them, and the API, which streams them, must agree on.
"""

from typing import NamedTuple

import msgspec

CHANNEL = "bevyly_live"
"""NOTIFY on it carries the id of a tenant that has something new."""

KEPT_HOURS = 24
"""A stream can be resumed within this time without a gap."""

BRIEFING, SIGNALS, RECOMMENDATIONS, IMPORTS = "briefing", "signals", "recommendations", "imports"
TOPICS = (BRIEFING, SIGNALS, RECOMMENDATIONS, IMPORTS)
_TOPIC_OF = {"signal": SIGNALS, "recommendation": RECOMMENDATIONS, "import": IMPORTS}
_PUBLISHED = "briefing.published"


class Told(NamedTuple):
    """What has to be known of an event to tell of it; `user_id` is the one person it is for, None for whoever may."""

    event_id: str
    type: str
    topic: str
    user_id: str | None


def told(envelope: str) -> Told | None:
    """How an event is told; None for what is not, and for what is no event: telling stops nobody from publishing."""
    try:
        form = _form(envelope)
        if form.type == _PUBLISHED:
            return Told(form.id, form.type, BRIEFING, _reader(form.data).user_id)
    except msgspec.MsgspecError:
        return None
    topic = _TOPIC_OF.get(form.type.partition(".")[0])
    return None if topic is None else Told(form.id, form.type, topic, None)


class _Form(msgspec.Struct):
    id: str
    type: str
    data: msgspec.Raw


class _ForReader(msgspec.Struct):
    user_id: str


_form = msgspec.json.Decoder(_Form).decode
_reader = msgspec.json.Decoder(_ForReader).decode
