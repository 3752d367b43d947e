"""Agents and the approvals that hold them. Writers: `api` (configuration, reviews) and `pipelines.streams` (runs)."""

from typing import Any

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Currency, Id, Instant, Json, Minor, TenantRow, tenant_fk


class AgentConfig(TenantRow, Base):
    """Whether a tenant lets an agent work, for whom, and how. Writer: `api`.

    `config` fills in what a command leaves out. An agent without a row is switched off at the API.
    """

    __tablename__ = "agent_configs"
    __table_args__ = (
        UniqueConstraint("customer_id", "agent_type"),
        tenant_fk("sponsor_id", "users"),
        CheckConstraint("(cost_cap_minor is null) = (currency is null)", name="cap_has_currency"),
        CheckConstraint("run_cost_minor = 0 or currency is not null", name="cost_has_currency"),
    )

    agent_type: Mapped[Code]
    enabled: Mapped[bool] = mapped_column(server_default="true", default=True)
    config: Mapped[Json]
    sponsor_id: Mapped[Id | None] = mapped_column(comment="the user whose rights the agent never exceeds")
    cost_cap_minor: Mapped[Minor | None] = mapped_column(comment="what its runs may cost in a calendar month")
    run_cost_minor: Mapped[Minor] = mapped_column(
        server_default="0", default=0, comment="what one run is taken to cost, in the currency of the cap"
    )
    currency: Mapped[Currency | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class AgentRun(TenantRow, Base):
    """One run of one agent, caused by one command. Writers: `pipelines.streams`, of cancellations `api`."""

    __tablename__ = "agent_runs"
    __table_args__ = (
        CheckConstraint(
            "status in ('queued','running','waiting','succeeded','failed','refused','cancelled')", name="status"
        ),
        CheckConstraint("(cost_minor is null) or (currency is not null)", name="cost_has_currency"),
        UniqueConstraint("customer_id", "command_id"),
        Index("ix_agent_runs_list", "customer_id", text("started_at desc"), text("id desc")),
    )

    agent_type: Mapped[Code]
    command_id: Mapped[Id] = mapped_column(comment="id of the command event: a repeated delivery is one run")
    status: Mapped[Code]
    reason: Mapped[Code | None] = mapped_column(comment="why it was refused")
    cost_minor: Mapped[Minor | None] = mapped_column(comment="what it is taken to cost; null where it costs nothing")
    currency: Mapped[Currency | None]
    input: Mapped[Json]
    output: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error: Mapped[str | None]
    started_at: Mapped[Instant]
    completed_at: Mapped[Instant | None]


class ApprovalPolicy(TenantRow, Base):
    """What a person must allow, by action, audience and amount. Never changed, only ended. Writer: `api`."""

    __tablename__ = "approval_policies"
    __table_args__ = (
        tenant_fk("created_by", "users"),
        CheckConstraint("requires in ('nothing','approval','manager')", name="requires"),
        CheckConstraint("audience in ('lead','prospect','customer')", name="audience"),
        CheckConstraint("(amount_minor is null) = (currency is null)", name="amount_has_currency"),
        Index("ix_approval_policies_list", "customer_id", text("created_at desc"), text("id desc")),
    )

    requires: Mapped[Code]
    action: Mapped[Code | None] = mapped_column(comment="what an agent does; null is anything")
    audience: Mapped[Code | None] = mapped_column(comment="whom it is about; null is anybody")
    amount_minor: Mapped[Minor | None] = mapped_column(comment="nothing is required below it, the rest from it on")
    currency: Mapped[Currency | None]
    created_by: Mapped[Id]
    created_at: Mapped[CreatedAt]
    ended_at: Mapped[Instant | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")


class ApprovalItem(TenantRow, Base):
    """Something an agent wants to do and a person must allow first. Writers: `pipelines.streams`, of reviews `api`.

    One that is pending after `expires_at` is expired, whatever its row says: nothing has to happen for that. One that
    requires nothing is approved from the start, by its policy.
    """

    __tablename__ = "approval_items"
    __table_args__ = (
        tenant_fk("agent_run_id", "agent_runs"),
        tenant_fk("reviewed_by", "users"),
        tenant_fk("edited_by", "users"),
        tenant_fk("sponsor_id", "users"),
        tenant_fk("policy_id", "approval_policies"),
        CheckConstraint("requires in ('nothing','approval','manager')", name="requires"),
        CheckConstraint("status in ('pending','approved','rejected','expired')", name="status"),
        Index("ix_approval_items_list", "customer_id", "status", text("created_at desc"), text("id desc")),
        Index("ix_approval_items_time", "customer_id", text("created_at desc"), text("id desc")),
        Index("ix_approval_items_run", "customer_id", "agent_run_id"),
    )

    agent_run_id: Mapped[Id | None]
    item_type: Mapped[Code]
    content: Mapped[Json]
    content_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[Code] = mapped_column(server_default="pending", default="pending")
    requested_by: Mapped[Id | None] = mapped_column(comment="the person who asked, as the command says")
    sponsor_id: Mapped[Id | None] = mapped_column(comment="the sponsor of the agent when it was made")
    requires: Mapped[Code] = mapped_column(server_default="approval", default="approval")
    policy_id: Mapped[Id | None] = mapped_column(comment="which policy required that; null where none did")
    edited_by: Mapped[Id | None]
    edited_at: Mapped[Instant | None]
    reviewed_by: Mapped[Id | None]
    reviewed_at: Mapped[Instant | None]
    reason: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    expires_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
