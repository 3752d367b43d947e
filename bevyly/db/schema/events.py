"""Events in the database: the outbox on their way out, the journal of what left, what people are told live, the raw
events, consumer positions."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Integer, SmallInteger, String, UniqueConstraint, text
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


class JournalEntry(Base):
    """An event that Kafka has acknowledged, as it was published, for replay and reconciliation.

    Writer: the relay, in the statement that takes the event from the outbox. A partition a day, in schema `journal`;
    the function `maintain_event_journal` makes and drops them. What is published twice is there once: an entry is
    committed with the end of its outbox row. A replay is a publication of its own.
    """

    __tablename__ = "event_journal"
    __table_args__ = ({"postgresql_partition_by": "RANGE (published_at)"},)

    published_at: Mapped[Instant] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    customer_id: Mapped[Id]
    event_id: Mapped[Id]
    topic: Mapped[str] = mapped_column(String(100))
    key: Mapped[str]
    envelope: Mapped[str]
    created_at: Mapped[Instant]


class LiveEvent(Base):
    """An event that the app shows as it happens, for a day. Once, however often it is published.

    Writer: the relay (`pipelines.streams.relay.live`), which leads alone and commits one batch after the other: so
    `seq` grows in the order of commits, and a reader behind a `seq` never misses a row that becomes visible later.
    """

    __tablename__ = "live_events"
    __table_args__ = (UniqueConstraint("customer_id", "event_id"), Index("ix_live_events_created_at", "created_at"))

    customer_id: Mapped[Id] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event_id: Mapped[Id]
    topic: Mapped[str] = mapped_column(String(50))
    type: Mapped[str] = mapped_column(String(100))
    user_id: Mapped[str | None] = mapped_column(
        String(36), comment="the one person who may know of it; null: whoever may read the topic"
    )
    envelope: Mapped[str]
    created_at: Mapped[CreatedAt]


class TenantSpread(Base):
    """A tenant whose events are to be keyed by entity instead of tenant, and how far the switch has come.

    Writer: `pipelines.streams.spreads`. Without `barrier` the old key is in use; with one, the tenant's events wait
    until every consumer group has passed it; from `active_since` on the new key is in use.
    """

    __tablename__ = "tenant_spreads"

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    requested_at: Mapped[CreatedAt]
    barrier: Mapped[dict[str, Any] | None]
    active_since: Mapped[Instant | None]


class RawEvent(Base):
    """Every event that arrived, once. On its primary key, with a BRIN index and one over few rows: COPY stays fast.

    Writer: `pipelines.intake`. `seq` grows in the order of arrival; dbt reads increments by it.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_seq", "seq", postgresql_using="brin"),
        Index(
            "ix_events_told_before",
            "customer_id",
            text("coalesce(data ->> 'entity_id', subject_id)"),
            postgresql_where=text(
                "type in ('opportunity.created', 'opportunity.updated', 'account.updated', 'enrichment.completed')"
            ),
        ),
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


class RecentChange(Base):
    """A date, an amount or a size that was told of a record, until raw events have it. Writer: the signal detector."""

    __tablename__ = "recent_changes"
    __table_args__ = (Index("ix_recent_changes_record", "customer_id", "record_id"),)

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    event_id: Mapped[Id] = mapped_column(primary_key=True)
    record_id: Mapped[Id] = mapped_column(comment="the deal or the account")
    type: Mapped[str] = mapped_column(String(100))
    sequence: Mapped[int] = mapped_column(BigInteger)
    occurred_at: Mapped[Instant]
    recorded_at: Mapped[Instant]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="as the event has it: dates, amounts and sizes alone")
