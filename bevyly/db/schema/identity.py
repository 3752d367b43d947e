"""Who may come in: tenants, users, API keys, refresh tokens, idempotency records, audit. Writer: `api`."""

from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, Index, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Currency, Id, Instant, Json, Name, TenantRow, tenant_fk
from bevyly.ids import new_id


class Customer(Base):
    """A tenant. Writer: `api` (sign-up) and `bevyly.datasets` (a tenant for a data set)."""

    __tablename__ = "customers"
    __table_args__ = (CheckConstraint("record_visibility in ('everyone','team','own')", name="record_visibility"),)

    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[Name]
    domain: Mapped[str | None] = mapped_column(String(255))
    currency: Mapped[Currency] = mapped_column(server_default="EUR", default="EUR")
    timezone: Mapped[str] = mapped_column(String(64), server_default="UTC", default="UTC")
    record_visibility: Mapped[Code] = mapped_column(
        server_default="everyone", default="everyone", comment="whose records members and viewers see"
    )
    pooling: Mapped[bool] = mapped_column(
        server_default="true",
        default=True,
        comment="whether outcomes of this tenant may inform the pooled prior",
    )
    settings: Mapped[Json]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[CreatedAt]


class User(TenantRow, Base):
    """A person of one tenant. Writer: `api` and `bevyly.datasets` (owners of imported rows, without password)."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("customer_id", "email"),
        CheckConstraint("role in ('owner','admin','member','viewer')", name="role"),
        CheckConstraint("email = lower(email)", name="email_lower"),
        Index("ix_users_email", "email"),
        Index("ix_users_list", "customer_id", text("created_at desc"), text("id desc")),
    )

    email: Mapped[str] = mapped_column(String(255))
    email_verified_at: Mapped[Instant | None]
    name: Mapped[str | None] = mapped_column(String(255))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    role: Mapped[Code] = mapped_column(server_default="member", default="member")
    token_version: Mapped[int] = mapped_column(server_default="1", default=1)
    external_id: Mapped[str | None] = mapped_column(String(255))
    disabled_at: Mapped[Instant | None]
    timezone: Mapped[str | None] = mapped_column(String(64))
    locale: Mapped[Code | None]
    working_hours: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    notifications: Mapped[Json]
    attention_budget: Mapped[int | None]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[CreatedAt]


class ApiKey(TenantRow, Base):
    """A key for programs; only its SHA-256 is kept, and it never reaches further than its user. Writer: `api`."""

    __tablename__ = "api_keys"
    __table_args__ = (
        tenant_fk("user_id", "users"),
        UniqueConstraint("customer_id", "secret_hash"),
        Index("ix_api_keys_user", "customer_id", "user_id"),
    )

    user_id: Mapped[Id]
    name: Mapped[Name]
    prefix: Mapped[str] = mapped_column(String(64))
    secret_hash: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    expires_at: Mapped[Instant | None]
    last_used_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]
    rotated_to: Mapped[Id | None] = mapped_column(comment="the key that follows this one")
    created_at: Mapped[CreatedAt]


class RefreshToken(TenantRow, Base):
    """One link of a chain of refresh tokens; use of a used one revokes its family. Writer: `api`.

    A family is a session: it began at `started_at`, was last used when its unused link was made, by that client.
    """

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        tenant_fk("user_id", "users"),
        UniqueConstraint("customer_id", "token_hash"),
        Index("ix_refresh_tokens_family", "customer_id", "family_id"),
        Index("ix_refresh_tokens_user", "customer_id", "user_id"),
        Index(
            "ix_refresh_tokens_sessions",
            "customer_id",
            "user_id",
            text("started_at desc"),
            text("family_id desc"),
            postgresql_where=text("used_at is null and revoked_at is null"),
        ),
    )

    user_id: Mapped[Id]
    family_id: Mapped[Id]
    token_hash: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[CreatedAt]
    user_agent: Mapped[str | None] = mapped_column(String(255))
    address: Mapped[str | None] = mapped_column(String(45))
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]


class OneTimeToken(TenantRow, Base):
    """What a link in a mail carries: works once, until it expires or a later one is asked for. Writer: `api`.

    `email` is the address that the link was sent to, and that it proves.
    """

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        tenant_fk("user_id", "users", ondelete="CASCADE"),
        UniqueConstraint("customer_id", "token_hash"),
        CheckConstraint("purpose in ('verify_email','reset_password','change_email')", name="purpose"),
        Index("ix_one_time_tokens_user", "customer_id", "user_id", "purpose"),
    )

    user_id: Mapped[Id]
    purpose: Mapped[Code]
    token_hash: Mapped[str] = mapped_column(String(64))
    email: Mapped[str] = mapped_column(String(255))
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]


class IdempotencyRecord(Base):
    """What was answered to an `Idempotency-Key`, kept 24 hours, written with the effect. Writer: `api`."""

    __tablename__ = "idempotency_records"

    customer_id: Mapped[Id] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    response_status: Mapped[int | None]
    response_headers: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    response_body: Mapped[bytes | None]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Instant] = mapped_column(index=True)


class AuditEntry(TenantRow, Base):
    """Who changed what, from which value to which, and why. Append-only. Writer: `api`."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_entity", "customer_id", "entity_type", "entity_id", "occurred_at"),
        Index("ix_audit_actor", "customer_id", "actor_id", "occurred_at", "id"),
        Index("ix_audit_time", "customer_id", "occurred_at", "id"),
    )

    actor_type: Mapped[Code]
    actor_id: Mapped[Id | None]
    action: Mapped[Code]
    entity_type: Mapped[Code]
    entity_id: Mapped[Id]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    recommendation_id: Mapped[Id | None]
    request_id: Mapped[str | None] = mapped_column(String(64))
    occurred_at: Mapped[CreatedAt]
