"""Why an item of a briefing appeared, went, moved or changed, read from what was recorded at the time.

Facts are entries of the decision log, the signals behind recommendations, and what moved their scores. Each cause names
the entry or the events that it is known from. Codes are stable; texts are for people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
Cause = dict[str, Any]

UNKNOWN = "unknown"
_ANSWERS = {
    "recommendation.accepted": ("accepted", "Taken on"),
    "recommendation.dismissed": ("dismissed", "Dismissed"),
    "recommendation.snoozed": ("snoozed", "Put off"),
    "recommendation.completed": ("completed", "Done"),
    "recommendation.superseded": ("superseded", "Another action of the same cause took its place"),
    "recommendation.expired": ("expired", "Nothing calls for it any more"),
}
_OPEN = ("recommendation.made", "recommendation.reopened")
_STATES = (*_ANSWERS, *_OPEN)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was recorded between two briefings, about the recommendations in either.

    `decisions`: entries of the log, oldest first; `recommendations`: id → title, signal_id, `before` (its details as
    the log had them at the first briefing), `state` (kind of the entry that says its state at the second); `signals`:
    id → title, first_seen_at, closed_at, close_reason, evidence; `scores`: recommendation → what moved its score (text,
    points, causes). `since` and `until`: instants of the briefings, as texts that sort; `beyond_budget`: how many open
    items each of them left out.
    """

    since: str
    until: str
    decisions: Sequence[Row] = ()
    recommendations: Mapping[str, Row] = field(default_factory=dict)
    signals: Mapping[str, Row] = field(default_factory=dict)
    scores: Mapping[str, Row] = field(default_factory=dict)
    beyond_budget: tuple[int, int] = (0, 0)

    def of(self, recommendation_id: str) -> list[Row]:
        """Entries about one recommendation, the latest first."""
        return [one for one in reversed(self.decisions) if one["recommendation_id"] == recommendation_id]

    def signal(self, recommendation_id: str) -> Row | None:
        """The signal behind it."""
        return self.signals.get(self.recommendations.get(recommendation_id, {}).get("signal_id") or "")

    def within(self, instant: str | None) -> bool:
        """Whether an instant is after the first briefing and not after the second."""
        return instant is not None and self.since < instant <= self.until


def of_appearance(recommendation_id: str, facts: Facts) -> Cause:
    """Why an item is in the second briefing and not in the first."""
    for entry in facts.of(recommendation_id):
        if entry["kind"] == "recommendation.reopened":
            return _cause("reopened", "The time for which it was put off is over", entry)
        if entry["kind"] == "recommendation.made":
            return _made(recommendation_id, entry, facts)
    return _handed_over(recommendation_id, facts) or _by_budget(recommendation_id, facts, place=0)


def of_departure(recommendation_id: str, facts: Facts) -> Cause:
    """Why an item is in the first briefing and not in the second."""
    for entry in facts.of(recommendation_id):
        if entry["kind"] in _ANSWERS:
            return _ended(recommendation_id, entry, facts)
        if entry["kind"] in _STATES:
            break
    return _handed_over(recommendation_id, facts) or _by_budget(recommendation_id, facts, place=1)


def of_move(was: Row, now: Row, facts: Facts) -> Cause:
    """Why an item has another place: its own value, or that of others."""
    if was["expected_value"] != now["expected_value"]:
        strongest = of_value(was, now, facts)[0]
        return strongest | {"text": f"Its own value changed: {strongest['text']}"}
    return _cause("others", "Others came, went or changed in value; its own value did not")


def of_value(was: Row, now: Row, facts: Facts) -> list[Cause]:
    """Why value or chance of an item changed, the score first."""
    name, causes = now["recommendation_id"], []
    moved = facts.scores.get(name)
    if moved is not None:
        model = any(one["cause"] == "model" for one in moved["causes"][:1])
        events = [event for one in moved["causes"] for event in one["event_ids"]]
        causes.append(
            _cause("model_version" if model else "score", moved["text"], events=events) | {"score": dict(moved)}
        )
    revisions = [one["details"] for one in facts.of(name) if one["kind"] == "recommendation.revised" and one["details"]]
    before = facts.recommendations.get(name, {}).get("before") or {}
    if revisions and before and revisions[0].get("amount_minor") != before.get("amount_minor"):
        causes.append(_cause("amount", "The amount changed", _entry(facts, name)))
    if _effect(was) != _effect(now) and moved is None:
        causes.append(_cause("effect", "What acting would change is estimated anew", _entry(facts, name)))
    useful = _usefulness(now) - _usefulness(was)
    if useful:
        text = f"People here found such recommendations {'more' if useful > 0 else 'less'} useful than before"
        causes.append(_cause("answers", text, _entry(facts, name)))
    if not causes and revisions:
        causes.append(_cause("revised", "It was valued anew; by what was not recorded", _entry(facts, name)))
    return causes or [_unknown()]


def _effect(item: Row) -> float | None:
    chance = item["probability"]
    if chance["now"] is None or chance["with_action"] is None:
        return None
    return round(float(chance["with_action"] - chance["now"]), 9)


def _usefulness(item: Row) -> float:
    """What answers multiply the worth by."""
    return float(item["expected_value"].get("usefulness", 1.0))


def _entry(facts: Facts, recommendation_id: str) -> Row | None:
    return next((one for one in facts.of(recommendation_id) if one["kind"] == "recommendation.revised"), None)


def _made(recommendation_id: str, entry: Row, facts: Facts) -> Cause:
    for other in reversed(facts.decisions):
        if other["kind"] == "recommendation.superseded" and other["grounds"].get("superseded_by") == recommendation_id:
            title = facts.recommendations.get(other["recommendation_id"], {}).get("title")
            return _cause(
                "superseded", f"It takes the place of “{title}”" if title else _ANSWERS[other["kind"]][1], other
            )
    signal = facts.signal(recommendation_id)
    if signal is not None and facts.within(signal["first_seen_at"]):
        return _cause("new_signal", str(signal["title"]), entry, events=signal["evidence"])
    return _cause("made", "It was recommended for the first time", entry)


def _ended(recommendation_id: str, entry: Row, facts: Facts) -> Cause:
    code, text = _ANSWERS[entry["kind"]]
    details = entry["details"] or {}
    feedback = details.get("feedback") or {}
    if code == "completed" and not details.get("user_id"):
        return _cause("seen_done", "It was seen to be done", entry)
    if code == "superseded":
        successor = facts.recommendations.get(entry["grounds"].get("superseded_by", ""), {}).get("title")
        return _cause(code, f"“{successor}” took its place" if successor else text, entry)
    if code == "snoozed" and details.get("snoozed_until"):
        text = f"{text} until {str(details['snoozed_until'])[:10]}"
    if code == "expired":
        return _expired(recommendation_id, entry, facts)
    said = feedback.get("reason") or feedback.get("comment")
    return _cause(code, f"{text}: {said}" if said else text, entry)


def _expired(recommendation_id: str, entry: Row, facts: Facts) -> Cause:
    signal = facts.signal(recommendation_id)
    if signal is not None and facts.within(signal["closed_at"]):
        why = str(signal["close_reason"] or "over").replace("_", " ")
        return _cause("signal_closed", f"No longer so: {signal['title']} ({why})", entry, events=signal["evidence"])
    return _cause("expired", _ANSWERS[entry["kind"]][1], entry)


def _handed_over(recommendation_id: str, facts: Facts) -> Cause | None:
    for entry in facts.of(recommendation_id):
        before = facts.recommendations.get(recommendation_id, {}).get("before") or {}
        owner = (entry["details"] or {}).get("owner_id")
        if entry["kind"] == "recommendation.revised" and before and owner != before.get("owner_id"):
            return _cause("owner", "It has another owner", entry)
    return None


def _by_budget(recommendation_id: str, facts: Facts, *, place: int) -> Cause:
    """It was open all the time: what it lacked, or lacks, is room. Known only where the log has it and says so."""
    state = facts.recommendations.get(recommendation_id, {}).get("state")
    if state not in _OPEN or not facts.beyond_budget[place]:
        return _unknown()
    moved = _entry(facts, recommendation_id)
    text = ("There was no room for it before", "It is open still, others are worth more")[place]
    return _cause("budget", text, moved)


def _cause(code: str, text: str, entry: Row | None = None, *, events: Sequence[str] = ()) -> Cause:
    return {
        "code": code,
        "text": text,
        "at": entry["occurred_at"] if entry else None,
        "decision": entry["sequence"] if entry else None,
        "event_ids": list(dict.fromkeys(events)),
        "score": None,
    }


def _unknown() -> Cause:
    return _cause(UNKNOWN, "Nothing that was recorded says why")
