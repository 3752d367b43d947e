"""Mails that are to leave, and a log of those that did."""

from sqlalchemy import CheckConstraint, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Instant, TenantRow


class QueuedMail(TenantRow, Base):
    """A mail, queued with its cause. Writers: `api` (queues, reads nothing back), `pipelines.mail` (what came of it).

    A try pushes `next_attempt_at` beyond the time that a sender may take, and counts up `tries`: who dies while sending
    loses the mail to the next sender, and only the latest try may say how it went.
    """

    __tablename__ = "mails"
    __table_args__ = (
        CheckConstraint("status in ('pending','sent','failed')", name="status"),
        Index("ix_mails_due", "next_attempt_at", postgresql_where=text("status = 'pending'")),
        Index("ix_mails_created_at", "created_at", postgresql_using="brin"),
    )

    kind: Mapped[Code]
    recipient: Mapped[str] = mapped_column(String(255))
    body: Mapped[str | None] = mapped_column(comment="sealed subject, text and HTML; null once it has left or failed")
    status: Mapped[Code] = mapped_column(server_default="pending", default="pending")
    tries: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
    next_attempt_at: Mapped[Instant]
    expires_at: Mapped[Instant | None]
    last_error: Mapped[str | None] = mapped_column(String(100))
    finished_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
