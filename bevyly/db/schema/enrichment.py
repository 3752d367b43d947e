"""What outside providers know of our accounts and contacts. Writer: `pipelines`."""

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, Json, TenantRow


class Enrichment(TenantRow, Base):
    """One answer of a provider about one entity, misses included, with the credits that it cost."""

    __tablename__ = "enrichments"
    __table_args__ = (
        CheckConstraint("status in ('matched','not_found','failed')", name="status"),
        Index("ix_enrichments_entity", "customer_id", "entity_type", "entity_id", "provider", text("fetched_at desc")),
        Index("ix_enrichments_spend", "customer_id", "provider", "fetched_at"),
    )

    entity_type: Mapped[Code]
    entity_id: Mapped[Id]
    provider: Mapped[Code]
    status: Mapped[Code]
    fields: Mapped[Json]
    error: Mapped[str | None] = mapped_column(String(500))
    credits: Mapped[int]
    fetched_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    created_at: Mapped[CreatedAt]
