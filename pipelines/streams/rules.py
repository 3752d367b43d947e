"""Rules that need one event and no history: what it shows, and which open signals it ends. Pure.

Thresholds and keys are those of the batch detectors (`models.signals`), so that both find the same row. Whether the
entity is still open is for the caller to ask.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from itertools import product
from typing import Any, TypedDict

from bevyly.events.envelope import Event, Instant
from bevyly.intent.thresholds import Thresholds
from models.signals.detector import dedupe_key
from pipelines.repositories.detectors import Ear

VERSION = "1"
LIVES_DAYS = 14
INTENT_LIVES_DAYS = 7
# what a batch pass gives an action of the same day
INTENT_STRENGTH = 2.0
NEWS_LIVE_DAYS = 30
# as marts have it
CONVERSATION_SECONDS = 120
UNTAUGHT = Ear()


class Finding(TypedDict):
    """A row of the signals frame."""

    customer_id: str
    entity_type: str
    entity_id: str
    signal_type: str
    polarity: str
    severity: str
    strength: float
    title: str
    data: dict[str, Any]
    evidence: list[str]
    dedupe_key: str
    detector_version: str
    seen_at: Instant
    expires_at: Instant


class Closing(TypedDict):
    """Open signals of one type (None: of every type) on one entity are over."""

    customer_id: str
    entity_type: str
    entity_id: str
    signal_type: str | None
    reason: str
    at: Instant
    kept: str | None
    """Key of the one that is not over."""


FindingRule = Callable[[Event, Thresholds], Iterator[Finding]]


def find(event: Event, ear: Ear = UNTAUGHT) -> list[Finding]:
    """Signals that `event` shows by itself, where the tenant draws its line, as loud as they have been worth."""
    found = [finding for rule in _FIND.get(event.type, ()) for finding in rule(event, ear.line)]
    for one in found:
        weight = ear.weights.get(one["signal_type"], 1.0)
        one["severity"] = severity(one["strength"] * weight, one["polarity"])
    return found


def close(event: Event) -> list[Closing]:
    """Signals that `event` ends."""
    return [closing for rule in _CLOSE.get(event.type, ()) for closing in rule(event)]


def severity(strength: float, polarity: str) -> str:
    """At the line low, half again medium, twice high, three times critical (bad news only)."""
    if strength >= 3 and polarity == "-":
        return "critical"
    return "high" if strength >= 2 else "medium" if strength >= 1.5 else "low"


def _finding(
    event: Event,
    entity: tuple[str, str],
    signal_type: str,
    *,
    polarity: str,
    strength: float,
    title: str,
    data: dict[str, Any],
    lives_days: int = LIVES_DAYS,
) -> Finding:
    strength = round(min(strength, 99.0), 4)
    return Finding(
        customer_id=event.tenant_id,
        entity_type=entity[0],
        entity_id=entity[1],
        signal_type=signal_type,
        polarity=polarity,
        severity="low",
        strength=strength,
        title=title,
        data=data,
        evidence=[event.id],
        dedupe_key=dedupe_key(signal_type, *entity, event.id),
        detector_version=VERSION,
        seen_at=event.recorded_time,
        expires_at=event.recorded_time + timedelta(days=lives_days),
    )


def _closing(
    event: Event, entity: tuple[str, str], signal_type: str | None, reason: str, *, kept: str | None = None
) -> Closing:
    return Closing(
        customer_id=event.tenant_id,
        entity_type=entity[0],
        entity_id=entity[1],
        signal_type=signal_type,
        reason=reason,
        at=event.recorded_time,
        kept=kept,
    )


def _touched(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The opportunity and the lead that an activity belongs to, as far as it says."""
    return [(kind, data[f"{kind}_id"]) for kind in ("opportunity", "lead") if data.get(f"{kind}_id")]


def _opportunity(event: Event) -> tuple[str, str]:
    return "opportunity", event.data["opportunity_id"]


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None


def _close_date_moved(event: Event, line: Thresholds) -> Iterator[Finding]:
    before = _day(event.data["before"].get("expected_close_date"))
    after = _day(event.data["after"].get("expected_close_date"))
    if before is None or after is None:
        return
    days = (after - before).days
    if days >= line.slip_days:
        yield _finding(
            event,
            _opportunity(event),
            "close_date_slipped",
            polarity="-",
            strength=days / line.slip_days,
            title=f"Close date moved out by {days} days",
            data={"slips": 1, "slip_days": days},
        )
    elif -days >= line.pulled_in_days and after >= event.recorded_time.date():
        yield _finding(
            event,
            _opportunity(event),
            "close_date_pulled_in",
            polarity="+",
            strength=-days / line.pulled_in_days,
            title=f"Close date pulled in by {-days} days",
            data={"days_earlier": -days},
        )


def _amount_changed(event: Event, line: Thresholds) -> Iterator[Finding]:
    before, after = event.data["before"].get("value_minor"), event.data["after"].get("value_minor")
    if not before or after is None or before < 0:
        return
    change = round((after - before) / before, 6)
    if abs(change) >= line.amount_change:
        yield _finding(
            event,
            _opportunity(event),
            "amount_changed",
            polarity="+" if change > 0 else "-",
            strength=abs(change) / line.amount_change,
            title=f"Amount changed by {change:+.0%}",
            data={"change": round(change, 2), "changes": 1},
        )


def _company_changed(event: Event, line: Thresholds) -> Iterator[Finding]:
    """Of several sizes in one event the one that changed most, as the batch pass tells it."""
    before, after = event.data["before"], event.data["after"]
    sizes = {"headcount": "employee_count", "revenue": "annual_revenue_minor"}
    changes = {
        kind: after[name] / before[name] - 1
        for kind, name in sizes.items()
        if (before.get(name) or 0) > 0 and (after.get(name) or 0) > 0
    }
    if not changes:
        return
    kind = max(changes, key=lambda one: abs(changes[one]))
    change = round(changes[kind], 6)
    if abs(change) >= line.account_change:
        yield _finding(
            event,
            ("account", event.data["account_id"]),
            "account_event",
            polarity="+" if change > 0 else "-",
            strength=abs(change) / line.account_change,
            title=f"The company is {'growing' if change > 0 else 'shrinking'}: {kind} "
            f"{'up' if change > 0 else 'down'} {abs(change) * 100:.0f} %",
            data={"kind": kind, "change": round(change, 2)},
            lives_days=NEWS_LIVE_DAYS,
        )


def _intent(title: str, *, leads: bool) -> FindingRule:
    """A rule for what a customer does of their own accord; on leads only where it says more than that they exist."""

    def rule(event: Event, _: Thresholds) -> Iterator[Finding]:
        if event.data["direction"] != "inbound":
            return
        for entity in _touched(event.data):
            if leads or entity[0] == "opportunity":
                yield _finding(
                    event,
                    entity,
                    "high_intent_action",
                    polarity="+",
                    strength=INTENT_STRENGTH,
                    title=title,
                    data={"action": event.type},
                    lives_days=INTENT_LIVES_DAYS,
                )

    return rule


def _contact_was_made(event: Event) -> Iterator[Closing]:
    """Whoever met or talked was in touch both ways, as in marts."""
    direction = event.data["direction"]
    both_ways = event.type == "meeting.completed" or _talked(event)
    for entity in _touched(event.data):
        if direction != "internal" or both_ways:
            yield _closing(event, entity, "going_dark", "there was contact")
        if direction == "inbound" or both_ways:
            yield _closing(event, entity, "ghosted", "we talked" if _talked(event) else "the customer answered")
        if direction == "outbound" or both_ways:
            yield _closing(event, entity, "answer_owed", "somebody was in touch")
            if entity[0] == "lead":
                yield _closing(event, entity, "lead_untouched", "somebody reached out")


def _talked(event: Event) -> bool:
    if event.type != "call.completed" or event.data["direction"] == "internal":
        return False
    return (event.data.get("duration_seconds") or 0) >= CONVERSATION_SECONDS


def _next_step_planned(event: Event) -> Iterator[Closing]:
    """Also where what was planned is moved to another time."""
    data = event.data["after"] if event.type == "activity.updated" else event.data
    due = data.get("due_at")
    if due and due[:10] >= event.recorded_time.date().isoformat():
        for entity, kind in product(_touched(event.data), ("no_next_step", "ghosted", "going_dark")):
            yield _closing(event, entity, kind, "a next step is planned")


def _stage_changed(event: Event) -> Iterator[Closing]:
    if event.data["status"] != "open":
        yield _closing(event, _opportunity(event), None, f"the deal is {event.data['status']}")
    else:
        yield _closing(event, _opportunity(event), "deal_stalled", "the deal moved on")


def _opportunity_corrected(event: Event) -> Iterator[Closing]:
    after = event.data["after"]
    day = _day(after.get("expected_close_date"))
    if day is not None and day >= event.recorded_time.date():
        yield _closing(event, _opportunity(event), "close_date_overdue", "the close date was corrected")
    if "expected_close_date" in after:
        kept = dedupe_key("close_date_pulled_in", *_opportunity(event), event.id)
        yield _closing(event, _opportunity(event), "close_date_pulled_in", "the close date moved again", kept=kept)
    if after.get("owner_id"):
        yield _closing(event, _opportunity(event), "ownership_gap", "somebody owns it")


def _lead_changed(event: Event) -> Iterator[Closing]:
    lead, after = ("lead", event.data["lead_id"]), event.data["after"]
    if after.get("status") in ("disqualified", "converted"):
        yield _closing(event, lead, None, f"the lead is {after['status']}")
    if after.get("owner_id"):
        yield _closing(event, lead, "ownership_gap", "somebody owns it")


def _lead_converted(event: Event) -> Iterator[Closing]:
    yield _closing(event, ("lead", event.data["lead_id"]), None, "the lead is converted")


def _deleted(event: Event) -> Iterator[Closing]:
    """Also where a deletion was told as an update, as it once was."""
    kind = event.subject_type
    gone = event.type.partition(".")[2]
    if gone in ("deleted", "erased") or event.data["after"].get("deleted_at"):
        how = (
            "merged into another one" if event.data.get("merged_into") else "erased" if gone == "erased" else "deleted"
        )
        yield _closing(event, (kind, event.data[f"{kind}_id"]), None, f"the {kind} was {how}")


_ACTIVITIES = (
    "email.sent",
    "email.received",
    "email.opened",
    "email.clicked",
    "meeting.scheduled",
    "meeting.completed",
    "call.completed",
    "task.created",
    "task.completed",
    "note.created",
    "form.submitted",
    "page.viewed",
    "proposal.sent",
    "proposal.replied",
)

# A click is not among them: mail scanners click on everything.
_FIND: dict[str, tuple[FindingRule, ...]] = {
    "account.updated": (_company_changed,),
    "opportunity.updated": (_close_date_moved, _amount_changed),
    "proposal.replied": (_intent("Answered the offer", leads=True),),
    "form.submitted": (_intent("Sent a form while the deal is open", leads=False),),
    "meeting.scheduled": (_intent("Asked for a meeting", leads=True),),
}
SHOW_SOMETHING = frozenset(_FIND)
"""Types of events that may show something by themselves."""
_CLOSE: dict[str, tuple[Callable[[Event], Iterator[Closing]], ...]] = {
    **dict.fromkeys(_ACTIVITIES, (_contact_was_made,)),
    "meeting.scheduled": (_contact_was_made, _next_step_planned),
    **dict.fromkeys(("call.scheduled", "task.created"), (_next_step_planned,)),
    "activity.updated": (_next_step_planned,),
    "opportunity.stage_changed": (_stage_changed,),
    "opportunity.updated": (_opportunity_corrected, _deleted),
    "lead.updated": (_lead_changed, _deleted),
    "lead.converted": (_lead_converted,),
    **dict.fromkeys(
        ("opportunity.deleted", "lead.deleted", "lead.erased", "account.deleted", "account.updated"), (_deleted,)
    ),
}
