"""Sequences: steps that lead to a conversation, who goes through them, what was done, whom never to write to.

Writer: `api`, with its sequencer.
"""

from datetime import date
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, JsonList, Name, TenantRow, tenant_fk

RUNNING = ("active", "paused")
_RUNNING = text("status in ('active','paused')")


class Sequence(TenantRow, Base):
    """Ordered steps, each with an id of its own that enrolments point to. Writer: `api`."""

    __tablename__ = "sequences"
    __table_args__ = (
        tenant_fk("owner_id", "users"),
        CheckConstraint("status in ('draft','active','paused')", name="status"),
        Index("ix_sequences_list", "customer_id", text("created_at desc"), text("id desc")),
    )

    name: Mapped[Name]
    description: Mapped[str | None] = mapped_column(String(1000))
    status: Mapped[Code] = mapped_column(server_default="draft", default="draft")
    owner_id: Mapped[Id]
    steps: Mapped[JsonList]
    send_window: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB, comment="days, start, end, timezone; null means the working hours of the tenant"
    )
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    deleted_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class SequenceEnrolment(TenantRow, Base):
    """A person on the way through a sequence. Writer: `api` with its sequencer.

    `step_id` and `next_kind` are the step that comes next, `next_at` when; while a task is open (`waiting_for`) there
    is no such time. A converted lead's enrolment has the contact as well, and goes on with it.
    """

    __tablename__ = "sequence_enrolments"
    __table_args__ = (
        tenant_fk("sequence_id", "sequences"),
        tenant_fk("contact_id", "contacts"),
        tenant_fk("lead_id", "leads"),
        tenant_fk("sender_id", "users"),
        tenant_fk("enrolled_by", "users"),
        tenant_fk("waiting_for", "activities"),
        CheckConstraint("status in ('active','paused','stopped','finished')", name="status"),
        CheckConstraint("num_nonnulls(contact_id, lead_id) > 0", name="person"),
        CheckConstraint("(status in ('active','paused')) = (ended_at is null)", name="ended_at"),
        Index("ix_sequence_enrolments_list", "customer_id", text("created_at desc"), text("id desc")),
        Index(
            "ix_sequence_enrolments_sequence", "customer_id", "sequence_id", text("created_at desc"), text("id desc")
        ),
        Index("ix_sequence_enrolments_contact", "customer_id", "contact_id", "id"),
        Index("ix_sequence_enrolments_lead", "customer_id", "lead_id", "id"),
        Index("ix_sequence_enrolments_address", "customer_id", "address", postgresql_where=_RUNNING),
        Index("ix_sequence_enrolments_waiting", "customer_id", "waiting_for", postgresql_where=_RUNNING),
        Index(
            "ix_sequence_enrolments_emails",
            "customer_id",
            "sender_id",
            "next_at",
            "id",
            postgresql_where=text("status = 'active' and next_kind = 'email'"),
        ),
        Index(
            "ix_sequence_enrolments_others",
            "customer_id",
            "next_at",
            "id",
            postgresql_where=text("status = 'active' and next_kind <> 'email'"),
        ),
        *(
            Index(
                f"uq_sequence_enrolments_{person}",
                "customer_id",
                "sequence_id",
                f"{person}_id",
                unique=True,
                postgresql_where=_RUNNING,
            )
            for person in ("contact", "lead")
        ),
    )

    sequence_id: Mapped[Id]
    contact_id: Mapped[Id | None]
    lead_id: Mapped[Id | None]
    sender_id: Mapped[Id]
    enrolled_by: Mapped[Id]
    address: Mapped[str] = mapped_column(String(255), comment="where the last email went, in lower case")
    status: Mapped[Code] = mapped_column(server_default="active", default="active")
    reason: Mapped[Code | None] = mapped_column(comment="why it was paused or stopped")
    step_id: Mapped[Id | None]
    next_kind: Mapped[Code | None]
    next_at: Mapped[Instant | None]
    waiting_for: Mapped[Id | None]
    ended_at: Mapped[Instant | None]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class SequenceStepRun(TenantRow, Base):
    """A step that was executed for one enrolment: at most once, by its key. Writer: `api` with its sequencer."""

    __tablename__ = "sequence_step_runs"
    __table_args__ = (
        tenant_fk("enrolment_id", "sequence_enrolments", ondelete="CASCADE"),
        tenant_fk("activity_id", "activities"),
        UniqueConstraint("customer_id", "enrolment_id", "step_id"),
        CheckConstraint(
            "outcome in ('queued','sent','bounced','failed','withdrawn','open','completed','skipped')", name="outcome"
        ),
        Index(
            "uq_sequence_step_runs_unsubscribe",
            "customer_id",
            "unsubscribe_hash",
            unique=True,
            postgresql_where=text("unsubscribe_hash is not null"),
        ),
        Index("ix_sequence_step_runs_queued", "customer_id", "mail_id", postgresql_where=text("outcome = 'queued'")),
        Index("ix_sequence_step_runs_activity", "customer_id", "activity_id"),
        Index("ix_sequence_step_runs_message", "customer_id", "message_id"),
    )

    enrolment_id: Mapped[Id]
    step_id: Mapped[Id]
    kind: Mapped[Code]
    outcome: Mapped[Code]
    activity_id: Mapped[Id]
    mail_id: Mapped[Id | None]
    message_id: Mapped[str | None] = mapped_column(String(998))
    address: Mapped[str | None] = mapped_column(String(255))
    unsubscribe_hash: Mapped[str | None] = mapped_column(String(64))
    executed_at: Mapped[Instant]
    settled_at: Mapped[Instant | None] = mapped_column(comment="when the mail had left or failed, or the task was done")


class SequenceMailbox(Base):
    """How much one user's sequences may send, and how much they did. Writer: `api` with its sequencer.

    Whoever sends for the user holds the row, so that no race exceeds the cap.
    """

    __tablename__ = "sequence_mailboxes"
    __table_args__ = (
        ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        tenant_fk("user_id", "users"),
        CheckConstraint("daily_cap >= 0 and spacing_seconds >= 0", name="limits"),
    )

    customer_id: Mapped[Id] = mapped_column(primary_key=True)
    user_id: Mapped[Id] = mapped_column(primary_key=True)
    daily_cap: Mapped[int] = mapped_column(Integer, server_default="100", default=100)
    spacing_seconds: Mapped[int] = mapped_column(Integer, server_default="60", default=60)
    sent_on: Mapped[date | None] = mapped_column(comment="the day at the tenant that sent_count counts")
    sent_count: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
    free_at: Mapped[Instant | None] = mapped_column(comment="no email leaves before")
    version: Mapped[int] = mapped_column(server_default="1", default=1)


class Suppression(TenantRow, Base):
    """An address that no sequence of the tenant writes to. Writer: `api` with its sequencer."""

    __tablename__ = "suppressions"
    __table_args__ = (
        UniqueConstraint("customer_id", "email"),
        CheckConstraint("reason in ('unsubscribed','bounced','complained','manual')", name="reason"),
        CheckConstraint("email = lower(email)", name="email_lower"),
        Index("ix_suppressions_list", "customer_id", text("created_at desc"), text("id desc")),
    )

    email: Mapped[str] = mapped_column(String(255))
    reason: Mapped[Code]
    enrolment_id: Mapped[Id | None] = mapped_column(comment="where it came from")
    created_at: Mapped[CreatedAt]


class SuppressionMark(Base):
    """That somebody who was erased is not to be written to: a keyed hash of the address. Writer: `bevyly.privacy`."""

    __tablename__ = "suppression_marks"
    __table_args__ = (CheckConstraint("reason in ('unsubscribed','bounced','complained','manual')", name="reason"),)

    customer_id: Mapped[Id] = mapped_column(primary_key=True)
    mark: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[Code]
    created_at: Mapped[Instant]
