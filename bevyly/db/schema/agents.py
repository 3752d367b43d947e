"""Agents and the approvals that hold them. Writers: `api` (configuration, reviews) and `pipelines.streams` (runs)."""

from typing import Any

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, Json, TenantRow, tenant_fk


class AgentConfig(TenantRow, Base):
    """Whether a tenant lets an agent work, and how."""

    __tablename__ = "agent_configs"
    __table_args__ = (UniqueConstraint("customer_id", "agent_type"),)

    agent_type: Mapped[Code]
    enabled: Mapped[bool] = mapped_column(server_default="true", default=True)
    config: Mapped[Json]
    created_at: Mapped[CreatedAt]


class AgentRun(TenantRow, Base):
    """One run of one agent, caused by one command."""

    __tablename__ = "agent_runs"
    __table_args__ = (
        CheckConstraint("status in ('queued','running','waiting','succeeded','failed','refused')", name="status"),
        UniqueConstraint("customer_id", "command_id"),
        Index("ix_agent_runs_list", "customer_id", text("started_at desc"), text("id desc")),
    )

    agent_type: Mapped[Code]
    command_id: Mapped[Id] = mapped_column(comment="id of the command event: a repeated delivery is one run")
    status: Mapped[Code]
    input: Mapped[Json]
    output: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error: Mapped[str | None]
    started_at: Mapped[Instant]
    completed_at: Mapped[Instant | None]


class ApprovalItem(TenantRow, Base):
    """Something an agent wants to do and a person must allow first."""

    __tablename__ = "approval_items"
    __table_args__ = (
        tenant_fk("agent_run_id", "agent_runs"),
        tenant_fk("reviewed_by", "users"),
        CheckConstraint("status in ('pending','approved','rejected','expired')", name="status"),
        Index("ix_approval_items_list", "customer_id", "status", text("created_at desc"), text("id desc")),
        Index("ix_approval_items_run", "customer_id", "agent_run_id"),
    )

    agent_run_id: Mapped[Id | None]
    item_type: Mapped[Code]
    content: Mapped[Json]
    content_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[Code] = mapped_column(server_default="pending", default="pending")
    reviewed_by: Mapped[Id | None]
    reviewed_at: Mapped[Instant | None]
    expires_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
