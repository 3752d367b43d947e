"""What other systems sent: each of their events once, and what is known of each record of theirs. Writer: `api`."""

from sqlalchemy import ARRAY, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, TenantRow


class InboundEvent(TenantRow, Base):
    """An event that took effect, or was found to have none; its id is derived from tenant, source and their id.

    A refused event is not kept: it may be sent again once what it lacked is there.
    """

    __tablename__ = "inbound_events"
    __table_args__ = (Index("ix_inbound_events_received", "received_at", postgresql_using="brin"),)

    source: Mapped[str] = mapped_column(String(255))
    event_id: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(100))
    content_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[Code]
    entity_type: Mapped[Code]
    entity_id: Mapped[Id]
    event_ids: Mapped[list[str]] = mapped_column(ARRAY(Text))
    received_at: Mapped[CreatedAt]


class InboundRecord(TenantRow, Base):
    """How far a record of another system was followed; its id is the one that our record has or would have."""

    __tablename__ = "inbound_records"

    source: Mapped[str] = mapped_column(String(255))
    entity_type: Mapped[Code]
    external_id: Mapped[str] = mapped_column(String(255))
    source_time: Mapped[Instant] = mapped_column(comment="time of the latest event that was applied")
    version: Mapped[int] = mapped_column(comment="version of our record after it; 0 where there is none")
