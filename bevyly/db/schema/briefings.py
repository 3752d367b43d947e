"""Briefings as they were published, who has seen which, and what they are made with.

Writer: `pipelines`, unless a table says otherwise.
"""

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, Json, tenant_fk


class BriefingBacklog(Base):
    """What events touched while somebody else was at work on the tenant. Writer: the briefing keeper."""

    __tablename__ = "briefing_backlog"
    __table_args__ = (Index("ix_briefing_backlog_customer_id_id", "customer_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"))
    touched: Mapped[Json] = mapped_column(comment="entities, counters and users, by what is to be looked at")
    due_at: Mapped[Instant]


class Briefing(Base):
    """The briefing of one user, as the bytes that are served; older versions stay for time travel."""

    __tablename__ = "briefings"
    __table_args__ = (
        tenant_fk("user_id", "users"),
        CheckConstraint("status in ('fresh','stale')", name="status"),
        Index("ix_briefings_as_of", "customer_id", "user_id", "as_of"),
    )

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    user_id: Mapped[Id] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    as_of: Mapped[Instant]
    status: Mapped[Code]
    stale_reason: Mapped[str | None]
    document: Mapped[str] = mapped_column(comment="final JSON text")
    etag: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[CreatedAt]


class Wording(Base):
    """What a model made of the facts of a briefing's item: a sentence that may be used, or why it may not.

    Writer: `pipelines`. The row is there before the model is asked, which is what the budget of the day counts. The
    same facts, model and prompt are not asked again.
    """

    __tablename__ = "wordings"
    __table_args__ = (
        CheckConstraint("status in ('asked','used','refused')", name="status"),
        CheckConstraint("(status = 'used') = (text is not null)", name="text"),
        Index("ix_wordings_asked_at", "customer_id", "asked_at"),
    )

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    facts: Mapped[str] = mapped_column(String(64), primary_key=True, comment="SHA-256 of all that the model was told")
    model: Mapped[str] = mapped_column(String(100), primary_key=True)
    prompt: Mapped[str] = mapped_column(String(20), primary_key=True, comment="version of what it was asked to do")
    entity_type: Mapped[Code]
    entity_id: Mapped[Id]
    status: Mapped[Code]
    text: Mapped[str | None]
    reason: Mapped[str | None] = mapped_column(String(300), comment="why its answer is not used")
    asked_at: Mapped[Instant]


class BriefingSeen(Base):
    """The newest version of the briefing that a user has seen. Writer: `api`."""

    __tablename__ = "briefing_seen"
    __table_args__ = (tenant_fk("user_id", "users"),)

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    user_id: Mapped[Id] = mapped_column(primary_key=True)
    version: Mapped[int]
    as_of: Mapped[Instant] = mapped_column(comment="the instant that the version is of")
    seen_at: Mapped[Instant]
