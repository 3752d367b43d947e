"""How a recommendation changes state: which answers are possible from where, as one conditional update.

Two people who answer at once cannot both win: the update names the states it may start from, the database takes one.
Used by the API for people's answers and by the pipelines for what they conclude.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Update, or_, update

from bevyly.db.schema import Recommendation
from bevyly.errors import Conflict

OPEN_STATES = ("pending", "accepted", "snoozed")


class NotOpen(Conflict):
    """The recommendation was answered, expired or superseded before."""

    code = "recommendation_not_open"


@dataclass(frozen=True)
class Transition:
    """An answer: the state that it leads to, the states that it may start from, the event that it causes."""

    verb: str
    to: str
    allowed_from: tuple[str, ...]
    event_type: str


ACCEPT = Transition("accept", "accepted", ("pending", "snoozed"), "recommendation.accepted")
DISMISS = Transition("dismiss", "dismissed", OPEN_STATES, "recommendation.dismissed")
COMPLETE = Transition("complete", "completed", OPEN_STATES, "recommendation.completed")
SNOOZE = Transition("snooze", "snoozed", OPEN_STATES, "recommendation.snoozed")
TRANSITIONS = {transition.verb: transition for transition in (ACCEPT, DISMISS, COMPLETE, SNOOZE)}


def answer(
    transition: Transition,
    *,
    customer_id: str,
    recommendation_id: str,
    user_id: str | None,
    now: datetime,
    feedback: dict[str, Any] | None = None,
    snoozed_until: datetime | None = None,
) -> Update:
    """The conditional update; no row comes back where the recommendation is missing or not open.

    An accepted one may be completed after it expired: the work was promised in time.
    """
    in_time = or_(Recommendation.expires_at > now, Recommendation.status == "accepted")
    return (
        update(Recommendation)
        .where(
            Recommendation.customer_id == customer_id,
            Recommendation.id == recommendation_id,
            Recommendation.status.in_(transition.allowed_from),
            in_time,
        )
        .values(
            status=transition.to,
            feedback=feedback,
            snoozed_until=snoozed_until,
            acted_by=user_id,
            acted_at=now,
            updated_at=now,
            version=Recommendation.version + 1,
        )
        .returning(Recommendation)
        .execution_options(synchronize_session=False)
    )
