"""Rules that need one event and little beside it: what it shows, and which open signals it ends. Pure.

Thresholds and keys are those of the batch detectors (`models.signals`), so that both find the same row. Whether the
entity is still open is for the caller to ask.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from itertools import product
from typing import Any

from bevyly.events.envelope import Event
from models.signals.detector import dedupe_key
from models.signals.detectors.high_intent_action import SAID
from pipelines.repositories.told_before import Amendment
from pipelines.streams.findings import Closing, Finding, closing, finding
from pipelines.streams.known import Known

LIVES_DAYS = 14
INTENT_LIVES_DAYS = 7
# as marts have them
CONVERSATION_SECONDS = 120
INTENT_ACTIONS = {
    "opportunity": ("proposal.replied", "meeting.scheduled", "form.submitted"),
    "lead": ("proposal.replied", "meeting.scheduled"),
}
NOTHING = Known()

FindingRule = Callable[[Event, Known], Iterator[Finding]]
ClosingRule = Callable[[Event, Known], Iterator[Closing]]


def find(event: Event, known: Known = NOTHING) -> list[Finding]:
    """Signals that `event` shows, where its tenant draws the line, as loud as they have been worth."""
    return [one for rule in _FIND.get(event.type, ()) for one in rule(event, known)]


def close(event: Event, known: Known = NOTHING) -> list[Closing]:
    """Signals that `event` ends."""
    return [one for rule in _CLOSE.get(event.type, ()) for one in rule(event, known)]


def _finding(
    event: Event,
    known: Known,
    entity: tuple[str, str],
    signal_type: str,
    *,
    polarity: str,
    strength: float,
    title: str,
    data: dict[str, Any],
    lives_days: int = LIVES_DAYS,
) -> Finding:
    return finding(
        event.tenant_id,
        entity,
        signal_type,
        polarity=polarity,
        strength=strength,
        title=title,
        data=data,
        event_id=event.id,
        at=event.recorded_time,
        lives_days=lives_days,
        ear=known.ear,
    )


def _closing(
    event: Event, entity: tuple[str, str], signal_type: str | None, reason: str, *, kept: str | None = None
) -> Closing:
    return closing(event.tenant_id, entity, signal_type, reason, at=event.recorded_time, kept=kept)


def _touched(event: Event, known: Known) -> list[tuple[str, str]]:
    """The opportunity and the lead that an activity belongs to; one of a lead alone counts for what that has become."""
    lead = event.data.get("lead_id")
    deal = event.data.get("opportunity_id") or known.deals.get(lead or "")
    return [(kind, one) for kind, one in (("opportunity", deal), ("lead", lead)) if one]


def _opportunity(event: Event) -> tuple[str, str]:
    return "opportunity", event.data["opportunity_id"]


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None


def _close_date_moved(event: Event, known: Known) -> Iterator[Finding]:
    before = _day(event.data["before"].get("expected_close_date"))
    after = _day(event.data["after"].get("expected_close_date"))
    if before is None or after is None:
        return
    line, days = known.ear.line, (after - before).days
    if days > 0:
        moves = list(_moves_out(known.told(event)))
        total = sum(moves)
        if len(moves) >= line.slips or total >= line.slip_days:
            often = f" {len(moves)} times, by {total} days in all" if len(moves) > 1 else f" by {total} days"
            yield _finding(
                event,
                known,
                _opportunity(event),
                "close_date_slipped",
                polarity="-",
                strength=max(len(moves) / line.slips, total / line.slip_days),
                title=f"Close date moved out{often}",
                data={"slips": len(moves), "slip_days": total},
            )
    elif -days >= line.pulled_in_days and after >= event.recorded_time.date():
        yield _finding(
            event,
            known,
            _opportunity(event),
            "close_date_pulled_in",
            polarity="+",
            strength=-days / line.pulled_in_days,
            title=f"Close date pulled in by {-days} days",
            data={"days_earlier": -days},
        )


def _moves_out(told: Iterable[Amendment]) -> Iterator[int]:
    for one in told:
        before, after = _day(one.before.get("expected_close_date")), _day(one.after.get("expected_close_date"))
        if before is not None and after is not None and after > before:
            yield (after - before).days


def _amount_changed(event: Event, known: Known) -> Iterator[Finding]:
    """How far the amount is from the first one that was told of the deal."""
    after = event.data["after"].get("value_minor")
    if after is None or event.data["before"].get("value_minor") == after:
        return
    told = known.told(event)
    first = next((value for one in told for value in _amounts(one) if value > 0), None)
    if first is None:
        return
    change = round(after / first - 1, 6)
    if abs(change) >= known.ear.line.amount_change:
        yield _finding(
            event,
            known,
            _opportunity(event),
            "amount_changed",
            polarity="+" if change > 0 else "-",
            strength=abs(change) / known.ear.line.amount_change,
            title=f"Amount is {abs(change) * 100:.0f} % {'higher' if change > 0 else 'lower'} than at first",
            data={"change": round(change, 2)},
        )


def _amounts(told: Amendment) -> Iterator[int]:
    for side in (told.before, told.after):
        yield side.get("value_minor") or 0


def _meant_to_buy(event: Event, known: Known) -> Iterator[Finding]:
    """What a customer does of their own accord; on a lead only where it says more than that it exists."""
    days = (event.recorded_time - event.time) / timedelta(days=1)
    if event.data["direction"] != "inbound" or days > known.ear.line.intent_days:
        return
    for entity in _touched(event, known):
        if event.type in INTENT_ACTIONS[entity[0]]:
            yield _finding(
                event,
                known,
                entity,
                "high_intent_action",
                polarity="+",
                strength=2 - days / known.ear.line.intent_days,
                title=f"{SAID[event.type]} today" if days < 1 else SAID[event.type],
                data={"action": event.type},
                lives_days=INTENT_LIVES_DAYS,
            )


def _contact_was_made(event: Event, known: Known) -> Iterator[Closing]:
    """Whoever met or talked was in touch both ways, as in marts."""
    direction = event.data["direction"]
    both_ways = event.type == "meeting.completed" or _talked(event)
    for entity in _touched(event, known):
        if direction != "internal" or both_ways:
            yield _closing(event, entity, "going_dark", "there was contact")
        if direction == "inbound" or both_ways:
            yield _closing(event, entity, "ghosted", "we talked" if _talked(event) else "the customer answered")
        elif event.type == "proposal.sent":
            yield _closing(event, entity, "ghosted", "another offer was sent")
        if direction == "outbound" or both_ways:
            yield _closing(event, entity, "answer_owed", "somebody was in touch")
            if entity[0] == "lead":
                yield _closing(event, entity, "lead_untouched", "somebody reached out")


def _talked(event: Event) -> bool:
    if event.type != "call.completed" or event.data["direction"] == "internal":
        return False
    return (event.data.get("duration_seconds") or 0) >= CONVERSATION_SECONDS


def _next_step_planned(event: Event, known: Known) -> Iterator[Closing]:
    """Also where what was planned is moved to another time."""
    data = event.data["after"] if event.type == "activity.updated" else event.data
    due = data.get("due_at")
    if due and due[:10] >= event.recorded_time.date().isoformat():
        for entity, kind in product(_touched(event, known), ("no_next_step", "ghosted", "going_dark")):
            yield _closing(event, entity, kind, "a next step is planned")


def _stage_changed(event: Event, _: Known) -> Iterator[Closing]:
    if event.data["status"] != "open":
        yield _closing(event, _opportunity(event), None, f"the deal is {event.data['status']}")
    else:
        yield _closing(event, _opportunity(event), "deal_stalled", "the deal moved on")


def _opportunity_corrected(event: Event, _: Known) -> Iterator[Closing]:
    after = event.data["after"]
    day = _day(after.get("expected_close_date"))
    if day is not None and day >= event.recorded_time.date():
        yield _closing(event, _opportunity(event), "close_date_overdue", "the close date was corrected")
    if "expected_close_date" in after:
        kept = dedupe_key("close_date_pulled_in", *_opportunity(event), event.id)
        yield _closing(event, _opportunity(event), "close_date_pulled_in", "the close date moved again", kept=kept)
    if "value_minor" in after:
        kept = dedupe_key("amount_changed", *_opportunity(event), event.id)
        yield _closing(event, _opportunity(event), "amount_changed", "the amount changed again", kept=kept)
    if after.get("owner_id"):
        yield _closing(event, _opportunity(event), "ownership_gap", "somebody owns it")


def _lead_changed(event: Event, _: Known) -> Iterator[Closing]:
    lead, after = ("lead", event.data["lead_id"]), event.data["after"]
    if after.get("status") in ("disqualified", "converted"):
        yield _closing(event, lead, None, f"the lead is {after['status']}")
    if after.get("owner_id"):
        yield _closing(event, lead, "ownership_gap", "somebody owns it")


def _lead_converted(event: Event, _: Known) -> Iterator[Closing]:
    yield _closing(event, ("lead", event.data["lead_id"]), None, "the lead is converted")


def _deleted(event: Event, _: Known) -> Iterator[Closing]:
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
    "opportunity.updated": (_close_date_moved, _amount_changed),
    **dict.fromkeys(SAID, (_meant_to_buy,)),
}
_CLOSE: dict[str, tuple[ClosingRule, ...]] = {
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
