"""Statements on webhooks of one tenant."""

from datetime import datetime

from sqlalchemy import func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.records.repository import missing, rendered
from bevyly.db.schema import WebhookDelivery, WebhookEndpoint, WebhookEvent
from bevyly.events.envelope import Event
from bevyly.ids import is_id, new_id


class WebhookRepository:
    """Endpoints and their deliveries."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def count(self) -> int:
        """How many endpoints there are, counted alone: another count waits until this unit of work ends."""
        lock = func.pg_advisory_xact_lock(func.hashtextextended(f"webhooks:{self.customer_id}", 0))
        await self.session.execute(select(lock))
        statement = select(func.count()).where(
            WebhookEndpoint.customer_id == self.customer_id, WebhookEndpoint.deleted_at.is_(None)
        )
        return await self.session.scalar(statement) or 0

    async def lock(self, endpoint_id: str) -> WebhookEndpoint:
        """The endpoint, held until the unit of work ends; raises `NotFound`."""
        statement = select(WebhookEndpoint).where(
            WebhookEndpoint.customer_id == self.customer_id,
            WebhookEndpoint.id == endpoint_id,
            WebhookEndpoint.deleted_at.is_(None),
        )
        row = await self.session.scalar(statement.with_for_update()) if is_id(endpoint_id) else None
        if row is None:
            raise missing("webhook")
        return row

    async def add_delivery(self, endpoint_id: str, event: Event, *, at: datetime) -> str:
        """Let `event` be sent to one endpoint now; returns the id of the delivery."""
        row = WebhookDelivery(
            customer_id=self.customer_id,
            id=new_id(),
            endpoint_id=endpoint_id,
            event_id=event.id,
            event_type=event.type,
            next_attempt_at=at,
            created_at=at,
        )
        envelope = event.to_json().decode()
        self.session.add(
            WebhookEvent(
                customer_id=self.customer_id, event_id=event.id, type=event.type, envelope=envelope, created_at=at
            )
        )
        await self.session.flush()
        self.session.add(row)
        await self.session.flush()
        return row.id

    async def replay(self, endpoint_id: str, delivery_id: str, *, at: datetime) -> None:
        """Let a delivery start over now, whatever became of it; raises `NotFound`."""
        statement = (
            update(WebhookDelivery)
            .where(
                WebhookDelivery.customer_id == self.customer_id,
                WebhookDelivery.endpoint_id == endpoint_id,
                WebhookDelivery.id == delivery_id,
            )
            .values(status="pending", tries=0, next_attempt_at=at, finished_at=None)
            .returning(WebhookDelivery.id)
        )
        if not is_id(delivery_id) or await self.session.scalar(statement) is None:
            raise missing("delivery")

    async def replay_failed(self, endpoint_id: str, *, since: datetime | None, at: datetime, limit: int) -> int:
        """Let failed deliveries start over now, the oldest first but for those that somebody works on; how many.

        They are chosen once and held: what a condition of the update chose could be chosen anew for each row of it.
        """
        chosen = (
            select(WebhookDelivery.id)
            .where(
                WebhookDelivery.customer_id == self.customer_id,
                WebhookDelivery.endpoint_id == endpoint_id,
                WebhookDelivery.status == "failed",
                *([WebhookDelivery.created_at >= since] if since else []),
            )
            .order_by(WebhookDelivery.created_at, WebhookDelivery.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("chosen")
            .prefix_with("materialized")
        )
        statement = (
            update(WebhookDelivery)
            .where(WebhookDelivery.customer_id == self.customer_id, WebhookDelivery.id.in_(select(chosen.c.id)))
            .values(status="pending", tries=0, next_attempt_at=at, finished_at=None)
            .returning(WebhookDelivery.id)
        )
        replayed = (await self.session.scalars(statement)).all()
        return len(replayed)

    async def rendered(self, endpoint_id: str) -> bytes:
        """The endpoint as every read answers it."""
        return await rendered(self.session, "webhook", self.customer_id, endpoint_id)

    async def rendered_delivery(self, endpoint_id: str, delivery_id: str) -> bytes:
        """The delivery as the read of one answers it."""
        await self.session.flush()
        function = func.api_get_webhook_delivery(self.customer_id, delivery_id, endpoint_id)
        return str(await self.session.scalar(select(literal_column("body")).select_from(function))).encode()
