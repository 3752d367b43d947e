"""The trail of a change: its audit row and its event, in the unit of work of the change."""

from datetime import date, datetime
from typing import Any

from api.dependencies.work import WriteContext
from bevyly.db.schema import AuditEntry
from bevyly.events.envelope import Event, new_event
from bevyly.ids import new_id

Values = dict[str, Any]
OUR_SOURCE = "bevyly/api"


class Trail:
    """Writes who changed what, and tells the rest of the system. `now` is when it happened."""

    def __init__(self, context: WriteContext) -> None:
        self._context = context
        self.now = context.clock.now()
        self.recorded_at = context.origin.recorded_at if context.origin else self.now

    def audit(
        self,
        action: str,
        entity: tuple[str, str],
        *,
        before: Values | None = None,
        after: Values | None = None,
        recommendation_id: str | None = None,
    ) -> None:
        """One row of the audit: `entity` is its kind and id, `before` and `after` hold what differs."""
        context = self._context
        context.work.note(
            AuditEntry,
            customer_id=context.principal.customer_id,
            id=new_id(),
            actor_type=context.principal.actor_type,
            actor_id=context.principal.actor_id,
            action=action,
            entity_type=entity[0],
            entity_id=entity[1],
            before=None if before is None else plain(before),
            after=None if after is None else plain(after),
            recommendation_id=recommendation_id,
            request_id=context.request_id,
            occurred_at=context.origin.applied_at if context.origin else self.now,
        )

    def emit(
        self,
        type_: str,
        entity: tuple[str, str],
        *,
        sequence: int,
        data: Values,
        occurred_at: datetime | None = None,
        causation_id: str | None = None,
    ) -> Event:
        """One event about `entity`, published if the change is committed; `sequence` is its new version."""
        origin = self._context.origin
        event = new_event(
            type_,
            tenant_id=self._context.principal.customer_id,
            source=origin.source if origin else OUR_SOURCE,
            subject=entity,
            sequence=sequence,
            data=plain(data),
            clock=self._context.clock,
            occurred_at=occurred_at or self.now,
            recorded_at=self.recorded_at,
            causation_id=origin.event_id if origin else causation_id,
            correlation_id=self._context.request_id,
        )
        self._context.work.emit(event)
        return event


def plain(values: Values) -> Values:
    """`values` as JSON can hold them."""
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in values.items()}
