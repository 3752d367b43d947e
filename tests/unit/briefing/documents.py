"""A briefing as it is stored, with everything that a page can show."""

from typing import Any

Row = dict[str, Any]


def item(**values: Any) -> Row:
    return {
        "rank": 1, "recommendation_id": "r1", "signal_id": "s1", "priority": "high",
        "action": {"type": "call", "label": "Call", "payload": {}},
        "title": "Call about Renewal", "rationale": "Offer of EUR 15,000 sent 9 days ago, no answer.",
        "entity": {"type": "opportunity", "id": "o1", "name": "Renewal", "account_name": "Blue Harbor",
                   "stage": "proposal", "owner_name": "Rita Rep"},
        "expected_value": {"amount_minor": 42_000, "low_minor": 12_000, "high_minor": 80_000, "currency": "EUR",
                           "basis": "prior"},
        "probability": {"now": 0.4, "low": 0.3, "high": 0.5, "with_action": 0.45, "display": "probability", "band": "B",
                        "score_id": "x"},
        "reasons": [{"code": "a", "text": "The customer answered", "contribution": 0.8},
                    {"code": "b", "text": "Amount: 50,000 (typical: 12,000)", "contribution": -0.3}],
        "evidence": [{"event_id": "01938f6e-e2", "type": "call.completed", "occurred_at": "2026-11-20T06:00:00Z",
                      "text": "Call by us, 4 minutes"}],
        "signals": [{"id": "s1", "type": "ghosted", "severity": "high"}],
        "pattern": None, "expires_at": "2026-12-07T06:00:00Z",
    } | values  # fmt: skip


def news(**values: Any) -> Row:
    return {
        "signal_id": "g1", "signal_type": "engagement_surge", "text": "Renewal: The customer answered",
        "entity": {"type": "lead", "id": "l1", "name": "Renewal"}, "evidence": [],
    } | values  # fmt: skip


def briefing(**values: Any) -> Row:
    return {
        "version": 3, "as_of": "2026-11-23T06:00:00Z", "generated_at": "2026-11-23T06:00:01Z", "status": "fresh",
        "stale_reason": None, "user": {"id": "u", "name": "Rita Rep"},
        "headline": "One thing is worth doing today, worth about EUR 420. First: Call about Renewal.",
        "summary": {"open_opportunities": 1, "open_leads": 12, "items_found": 4, "items_shown": 1,
                    "pipeline": [{"currency": "EUR", "amount_minor": 1_500_000}]},
        "items": [item()], "good_news": [news()],
        "not_shown": [{"reason": "worth less than what is on the list", "count": 3}],
        "models": [{"type": "win", "version": "01938f6e-m1", "trained_from": None, "trained_to": "2026-11-22T06:00:00Z",
                    "n": 900}],
    } | values  # fmt: skip


def hostile(text: str) -> Row:
    """A briefing in which everything that people type is `text`."""
    named = {"type": "opportunity", "id": text, "name": text, "account_name": text, "stage": text, "owner_name": text}
    one = item(
        title=text, rationale=text, entity=named, recommendation_id=text,
        reasons=[{"code": "a", "text": text, "contribution": 1.0}],
        evidence=[{"event_id": text, "type": "x", "occurred_at": "2026-11-20T06:00:00Z", "text": text}],
    )  # fmt: skip
    return briefing(
        headline=text, user={"id": "u", "name": text}, items=[one], good_news=[news(text=text, entity=named)],
        status="stale", stale_reason=text,
    )  # fmt: skip
