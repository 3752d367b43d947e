"""Events in the database: the outbox on their way out, the raw events that came in, consumer positions."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, Integer, SmallInteger, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, CreatedAt, Id, Instant


class OutboxEvent(Base):
    """An event that the relay has not yet published; written in the unit of work of its cause.

    Writer: whoever changes something, through `bevyly.events.outbox`; the relay deletes what it published.
    """

    __tablename__ = "outbox"

    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    customer_id: Mapped[Id]
    event_id: Mapped[Id]
    topic: Mapped[str] = mapped_column(String(100))
    envelope: Mapped[str]
    created_at: Mapped[CreatedAt]


class RawEvent(Base):
    """Every event that arrived, once. On its primary key alone, with a BRIN index, so that COPY stays fast.

    Writer: `pipelines.intake`. `seq` grows in the order of arrival; dbt reads increments by it.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_seq", "seq", postgresql_using="brin"),
        {"schema": "raw"},
    )

    customer_id: Mapped[Id] = mapped_column(primary_key=True)
    event_id: Mapped[Id] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    type: Mapped[str] = mapped_column(String(100))
    schema_version: Mapped[int] = mapped_column(SmallInteger)
    subject_type: Mapped[str] = mapped_column(String(50))
    subject_id: Mapped[Id]
    sequence: Mapped[int] = mapped_column(BigInteger)
    occurred_at: Mapped[Instant]
    recorded_at: Mapped[Instant]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    source: Mapped[str] = mapped_column(String(255))
    causation_id: Mapped[str | None] = mapped_column(String(255))
    correlation_id: Mapped[str | None] = mapped_column(String(255))
    topic: Mapped[str] = mapped_column(String(100))
    partition: Mapped[int] = mapped_column(Integer)
    offset: Mapped[int] = mapped_column(BigInteger)
    ingested_at: Mapped[CreatedAt]


class ConsumerOffset(Base):
    """How far a consumer group has taken effect; moved in the transaction of the effect. Writer: `pipelines`."""

    __tablename__ = "consumer_offsets"
    __table_args__ = ({"schema": "raw"},)

    consumer_group: Mapped[str] = mapped_column(String(100), primary_key=True)
    topic: Mapped[str] = mapped_column(String(100), primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    next_offset: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime]
