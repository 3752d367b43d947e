"""What consumers could not apply, kept until a person decides, and the consumers that stopped because of it."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, JsonList

OPEN = text("status = 'open'")


class DeadLetterRow(Base):
    """A message that a consumer could not apply, or parked behind one. Writer: `pipelines.dead_letters`.

    Tenant, event and subject are what the message says of itself, as far as it can be read.
    """

    __tablename__ = "dead_letters"
    __table_args__ = (
        UniqueConstraint("consumer", "topic", "partition", "offset"),
        CheckConstraint("status in ('open','redriven','discarded')", name="status"),
        Index("ix_dead_letters_open", "consumer", "customer_id", "subject", postgresql_where=OPEN),
        Index("ix_dead_letters_tenant", "customer_id", "created_at"),
        {"schema": "raw"},
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), comment="order of recording")
    consumer: Mapped[str] = mapped_column(String(100))
    topic: Mapped[str] = mapped_column(String(100))
    partition: Mapped[int] = mapped_column(Integer)
    offset: Mapped[int] = mapped_column(BigInteger)
    customer_id: Mapped[Id | None]
    event_id: Mapped[Id | None]
    type: Mapped[str | None] = mapped_column(String(100))
    subject: Mapped[str | None] = mapped_column(String(87))
    code: Mapped[Code] = mapped_column(comment="`parked`: healthy, and behind an open letter of its subject")
    reason: Mapped[str]
    tries: Mapped[int] = mapped_column(Integer)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    key: Mapped[bytes | None] = mapped_column(LargeBinary)
    headers: Mapped[JsonList] = mapped_column(comment="pairs of name and value, as they came")
    created_at: Mapped[CreatedAt]
    status: Mapped[Code] = mapped_column(server_default="open", default="open")
    resolved_at: Mapped[Instant | None]
    resolution: Mapped[str | None] = mapped_column(comment="how it was resolved, and why")


class ConsumerHalt(Base):
    """A consumer that stopped because too much failed; it goes on when a person releases it."""

    __tablename__ = "consumer_halts"
    __table_args__ = (
        Index("uq_consumer_halts_standing", "consumer", unique=True, postgresql_where=text("released_at is null")),
        {"schema": "raw"},
    )

    consumer: Mapped[str] = mapped_column(String(100), primary_key=True)
    since: Mapped[Instant] = mapped_column(primary_key=True)
    reason: Mapped[str]
    released_at: Mapped[Instant | None]
