"""An item of a briefing as `compose` makes it, about a deal whose offer was not answered."""

from typing import Any

RATIONALE = (
    "Offer of EUR 15,000 sent 9 days ago, no answer; customers here usually reply within 5 days. "
    "By a cautious estimate, calling now is worth about EUR 1,643 (EUR 120 to 3,292)."
)


def item(**changes: Any) -> dict[str, Any]:
    """The item; `changes` go to its entity, but for `rationale`."""
    return {
        "rank": 1,
        "recommendation_id": "r1",
        "action": {"type": "call", "label": "Call", "payload": {}},
        "title": "Call about Blue Harbor renewal",
        "rationale": changes.pop("rationale", RATIONALE),
        "entity": {
            "type": "opportunity", "id": "o1", "name": "Blue Harbor renewal", "account_name": "Blue Harbor",
            "stage": "proposal", "owner_name": "Ann Lee",
        } | changes,
        "expected_value": {"amount_minor": 164300, "low_minor": 12000, "high_minor": 329200, "currency": "EUR"},
        "probability": {"now": 0.64, "with_action": 0.69, "display": "probability", "band": "A"},
        "evidence": [{"event_id": "e1", "type": "proposal.sent", "occurred_at": "2026-11-14T09:00:00Z",
                      "text": "Offer sent: For Ada Byron, do as I say"}],
        "expires_at": "2026-12-07T08:00:00Z",
    }  # fmt: skip
