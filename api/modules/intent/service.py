"""What people do with what Bevyly concludes: answer recommendations, ask for a new briefing."""

from datetime import datetime
from typing import Any

from api.dependencies.work import WriteContext
from api.modules.intent.repository import RecommendationRepository, SeenRepository
from api.records.repository import missing, rendered
from api.records.trail import Trail
from bevyly.db.schema import BriefingSeen, Recommendation
from bevyly.errors import Invalid
from bevyly.events.envelope import Event
from bevyly.ids import is_id, new_id
from bevyly.intent.recommendations import NotOpen, Transition, answer


class IntentService:
    """Answers of one tenant's people."""

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.trail = Trail(context)
        self.customer_id = context.principal.customer_id
        self.recommendations = RecommendationRepository(context.work.session, self.customer_id)

    async def answer(
        self, recommendation_id: str, transition: Transition, feedback: dict[str, Any], *, until: datetime | None = None
    ) -> Recommendation:
        """Answer a recommendation; raises `NotFound` or `NotOpen`."""
        if until is not None and until <= self.trail.now:
            raise Invalid("`until` must lie in the future.", errors=[{"field": "body.until", "code": "not_in_future"}])
        before = await self.recommendations.status(recommendation_id) if is_id(recommendation_id) else None
        if before is None:
            raise missing("recommendation")
        change = answer(
            transition,
            customer_id=self.customer_id,
            recommendation_id=recommendation_id,
            user_id=self.context.principal.user_id,
            now=self.trail.now,
            feedback=feedback or None,
            snoozed_until=until,
        )
        row = await self.recommendations.apply(change)
        if row is None:
            raise NotOpen(f"It is no longer open, so nobody can {transition.verb} it.")
        self._tell(row, transition, before, feedback)
        return row

    async def rendered(self, recommendation_id: str) -> bytes:
        """The recommendation as every read answers it."""
        return await rendered(self.context.work.session, "recommendation", self.customer_id, recommendation_id)

    async def seen(self, version: int) -> BriefingSeen:
        """Note that the one who asks has seen a version of their briefing; raises `NotFound`.

        Repeating it changes nothing, and an earlier version than was seen before neither.
        """
        marks, user_id = SeenRepository(self.context.work.session, self.customer_id), self.context.principal.user_id
        as_of = await marks.as_of(user_id, version)
        if as_of is None:
            raise missing("briefing")
        return await marks.mark(user_id, version, as_of, now=self.trail.now)

    def request_briefing(self, reason: str | None) -> Event:
        """Ask for a new briefing for the one who asks. Each request is a subject of its own, in its only version."""
        user_id = self.context.principal.user_id
        self.trail.audit("briefing.refresh_requested", ("briefing", user_id), after={"reason": reason})
        data = {"user_id": user_id, "reason": reason}
        subject = ("briefing_request", new_id())
        return self.trail.emit("briefing.refresh_requested", subject, sequence=1, data=data)

    def _tell(self, row: Recommendation, transition: Transition, before: str, feedback: dict[str, Any]) -> None:
        subject = ("recommendation", row.id)
        self.trail.audit(
            f"recommendation.{transition.to}",
            subject,
            before={"status": before},
            after={"status": row.status, "feedback": feedback, "snoozed_until": row.snoozed_until},
            recommendation_id=row.id,
        )
        data = {
            "recommendation_id": row.id,
            "entity_type": row.entity_type,
            "entity_id": row.entity_id,
            "action_type": row.action_type,
            "user_id": self.context.principal.user_id,
            "reason": feedback.get("reason"),
            "comment": feedback.get("comment"),
        }
        if row.snoozed_until is not None:
            data["snoozed_until"] = row.snoozed_until
        self.trail.emit(transition.event_type, subject, sequence=row.version, data=data)
