"""What happened between people: emails, meetings, calls, tasks, notes, forms. Writers: `api` and `bevyly.datasets`."""

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, TenantRow, Versioned, live_index, tenant_fk

_DUE = text("coalesce(due_at, '9999-12-31 00:00:00+00'::timestamptz)")
_OPEN_TASK = text("kind = 'task' and completed_at is null and deleted_at is null")
_EMAIL = text("thread_id is not null and deleted_at is null")


class Activity(TenantRow, Versioned, Base):
    """One touch, in one direction, at `occurred_at`; a planned one has `due_at` and no `completed_at`.

    An email knows its thread: `message_id` and `in_reply_to` are those of RFC 5322, `subject_key` is the subject
    without what replies and forwards put before it.
    """

    __tablename__ = "activities"
    __table_args__ = (
        tenant_fk("owner_id", "users"),
        tenant_fk("account_id", "accounts"),
        tenant_fk("contact_id", "contacts"),
        tenant_fk("opportunity_id", "opportunities"),
        tenant_fk("lead_id", "leads"),
        CheckConstraint("kind in ('email','meeting','call','task','note','form','page_view','proposal')", name="kind"),
        CheckConstraint("direction in ('inbound','outbound','internal')", name="direction"),
        Index("ix_activities_list", "customer_id", text("occurred_at desc"), text("id desc")),
        live_index("ix_activities_updated", "updated_at"),
        live_index("ix_activities_due_order", "due_at"),
        live_index("ix_activities_kind", "kind", "occurred_at"),
        *(
            Index(f"ix_activities_{entity}", "customer_id", f"{entity}_id", text("occurred_at desc"), text("id desc"))
            for entity in ("account", "contact", "opportunity", "lead", "owner")
        ),
        Index("ix_activities_tasks", "customer_id", _DUE, "id", postgresql_where=_OPEN_TASK),
        Index("ix_activities_owner_tasks", "customer_id", "owner_id", _DUE, "id", postgresql_where=_OPEN_TASK),
        Index("ix_activities_due", "customer_id", "due_at", postgresql_where=text("due_at is not null")),
        Index(
            "ix_activities_emails", "customer_id", text("occurred_at desc"), text("id desc"), postgresql_where=_EMAIL
        ),
        Index(
            "ix_activities_thread",
            "customer_id",
            "thread_id",
            text("occurred_at desc"),
            text("id desc"),
            postgresql_where=_EMAIL,
        ),
        Index("ix_activities_message", "customer_id", "message_id", postgresql_where=text("message_id is not null")),
        Index("ix_activities_reply", "customer_id", "in_reply_to", postgresql_where=text("in_reply_to is not null")),
        Index("ix_activities_subject", "customer_id", "subject_key", "occurred_at", postgresql_where=_EMAIL),
    )

    kind: Mapped[Code]
    direction: Mapped[Code]
    subject: Mapped[str | None] = mapped_column(String(500))
    body: Mapped[str | None]
    occurred_at: Mapped[Instant]
    recorded_at: Mapped[CreatedAt]
    due_at: Mapped[Instant | None]
    completed_at: Mapped[Instant | None]
    duration_seconds: Mapped[int | None]
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]
    opportunity_id: Mapped[Id | None]
    lead_id: Mapped[Id | None]
    owner_id: Mapped[Id | None]
    thread_id: Mapped[Id | None]
    message_id: Mapped[str | None] = mapped_column(String(998))
    in_reply_to: Mapped[str | None] = mapped_column(String(998))
    subject_key: Mapped[str | None] = mapped_column(String(500))


class ActivityParticipant(TenantRow, Base):
    """Somebody who took part in an activity, linked to a contact where one is known."""

    __tablename__ = "activity_participants"
    __table_args__ = (
        tenant_fk("activity_id", "activities", ondelete="CASCADE"),
        tenant_fk("contact_id", "contacts"),
        tenant_fk("user_id", "users"),
        CheckConstraint("response in ('accepted','declined','tentative')", name="response"),
        Index("ix_activity_participants_activity", "customer_id", "activity_id"),
        Index("ix_activity_participants_contact", "customer_id", "contact_id"),
    )

    activity_id: Mapped[Id]
    contact_id: Mapped[Id | None]
    user_id: Mapped[Id | None]
    email: Mapped[str | None] = mapped_column(String(255))
    role: Mapped[Code | None]
    response: Mapped[Code | None] = mapped_column(comment="what an invited person answered")
