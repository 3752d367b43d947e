"""Who may become a user: invitations by mail. Writer: `api`."""

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, TenantRow, tenant_fk


class Invitation(TenantRow, Base):
    """An invitation to one address; its token is kept as a hash, works once, and is another each time it is sent.

    Writer: `api`.
    """

    __tablename__ = "invitations"
    __table_args__ = (
        tenant_fk("team_id", "teams", ondelete="SET NULL (team_id)"),
        tenant_fk("invited_by", "users"),
        tenant_fk("user_id", "users"),
        UniqueConstraint("customer_id", "token_hash"),
        CheckConstraint("role in ('owner','admin','member','viewer')", name="role"),
        CheckConstraint("email = lower(email)", name="email_lower"),
        Index("ix_invitations_list", "customer_id", text("created_at desc"), text("id desc")),
        Index(
            "uq_invitations_pending",
            "customer_id",
            "email",
            unique=True,
            postgresql_where=text("accepted_at is null and revoked_at is null"),
        ),
    )

    email: Mapped[str] = mapped_column(String(255))
    role: Mapped[Code]
    team_id: Mapped[Id | None]
    token_hash: Mapped[str] = mapped_column(String(64))
    invited_by: Mapped[Id]
    sent_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    accepted_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]
    user_id: Mapped[Id | None] = mapped_column(comment="who it made a user")
    created_at: Mapped[CreatedAt]
