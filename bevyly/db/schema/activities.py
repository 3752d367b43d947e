"""What happened between people: emails, meetings, calls, tasks, notes, forms. Writers: `api` and `bevyly.datasets`."""

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, TenantRow, Versioned, live_index, tenant_fk


class Activity(TenantRow, Versioned, Base):
    """One touch, in one direction, at `occurred_at`; a planned one has `due_at` and no `completed_at`."""

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


class ActivityParticipant(TenantRow, Base):
    """Somebody who took part in an activity, linked to a contact where one is known."""

    __tablename__ = "activity_participants"
    __table_args__ = (
        tenant_fk("activity_id", "activities", ondelete="CASCADE"),
        tenant_fk("contact_id", "contacts"),
        tenant_fk("user_id", "users"),
        Index("ix_activity_participants_activity", "customer_id", "activity_id"),
        Index("ix_activity_participants_contact", "customer_id", "contact_id"),
    )

    activity_id: Mapped[Id]
    contact_id: Mapped[Id | None]
    user_id: Mapped[Id | None]
    email: Mapped[str | None] = mapped_column(String(255))
    role: Mapped[Code | None]
