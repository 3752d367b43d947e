"""Webhooks out: endpoints that a tenant registered, what is to be delivered to them, and each attempt to do so."""

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, JsonList, TenantRow, tenant_fk


class WebhookEndpoint(TenantRow, Base):
    """A URL that wants events. Writers: `api` (people), `pipelines.webhooks` (how it fares, switching it off)."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (Index("ix_webhook_endpoints_list", "customer_id", text("created_at desc"), text("id desc")),)

    url: Mapped[str] = mapped_column(String(2048))
    description: Mapped[str | None] = mapped_column(String(255))
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    filters: Mapped[JsonList]
    secrets: Mapped[JsonList] = mapped_column(
        comment="sealed, the newest first; the others sign along until they expire"
    )
    enabled: Mapped[bool] = mapped_column(server_default="true", default=True)
    disabled_reason: Mapped[str | None] = mapped_column(String(50))
    disabled_at: Mapped[Instant | None]
    failing_since: Mapped[Instant | None] = mapped_column(comment="start of the first failure after the last success")
    failures: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    deleted_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class WebhookEvent(Base):
    """What is sent, byte for byte, once for all endpoints. Writers: `pipelines.webhooks`, `api` (pings)."""

    __tablename__ = "webhook_events"
    __table_args__ = (Index("ix_webhook_events_created_at", "created_at", postgresql_using="brin"),)

    customer_id: Mapped[Id] = mapped_column(primary_key=True)
    event_id: Mapped[Id] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(String(100))
    envelope: Mapped[str]
    created_at: Mapped[CreatedAt]


class WebhookDelivery(TenantRow, Base):
    """One event for one endpoint; a repeated event is the same delivery. Writers: `pipelines.webhooks`, `api` (replay).

    `tries` counts since the last replay and chooses the next wait. While `leased_until` lies ahead a deliverer is at
    it, and only the holder of `lease` may say how it went.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        tenant_fk("endpoint_id", "webhook_endpoints", ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["customer_id", "event_id"], ["webhook_events.customer_id", "webhook_events.event_id"], ondelete="CASCADE"
        ),
        UniqueConstraint("customer_id", "endpoint_id", "event_id"),
        CheckConstraint("status in ('pending','delivered','failed')", name="status"),
        Index("ix_webhook_deliveries_list", "customer_id", "endpoint_id", text("created_at desc"), text("id desc")),
        Index(
            "ix_webhook_deliveries_due",
            "customer_id",
            "endpoint_id",
            "next_attempt_at",
            postgresql_where=text("status = 'pending'"),
        ),
        Index("ix_webhook_deliveries_event", "customer_id", "event_id"),
        Index("ix_webhook_deliveries_created_at", "created_at", postgresql_using="brin"),
    )

    endpoint_id: Mapped[Id]
    event_id: Mapped[Id]
    event_type: Mapped[str] = mapped_column(String(100))
    status: Mapped[Code] = mapped_column(server_default="pending", default="pending")
    tries: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
    next_attempt_at: Mapped[Instant | None]
    leased_until: Mapped[Instant | None]
    lease: Mapped[str | None] = mapped_column(String(36))
    last_error: Mapped[str | None] = mapped_column(String(50))
    finished_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]


class WebhookAttempt(TenantRow, Base):
    """One request to an endpoint and what came of it. Writer: `pipelines.webhooks`."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        tenant_fk("delivery_id", "webhook_deliveries", ondelete="CASCADE"),
        Index("ix_webhook_attempts_delivery", "customer_id", "delivery_id", "started_at"),
    )

    delivery_id: Mapped[Id]
    started_at: Mapped[Instant]
    latency_ms: Mapped[int]
    status_code: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(50))
    address: Mapped[str | None] = mapped_column(String(45))
    response_body: Mapped[str | None]
