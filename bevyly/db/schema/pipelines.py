"""The ways of a deal: pipelines and their stages. Writers: `api`, and a trigger that gives a new tenant its first."""

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, Name, TenantRow, tenant_fk


class Pipeline(TenantRow, Base):
    """A way from the first talk to a decision. A new deal that names no stage begins in the default one.

    Writers: `api`, and the trigger `default_pipeline` on `customers`.
    """

    __tablename__ = "pipelines"
    __table_args__ = (
        Index("ix_pipelines_list", "customer_id", text("created_at desc"), text("id desc")),
        Index("uq_pipelines_default", "customer_id", unique=True, postgresql_where=text("is_default")),
    )

    name: Mapped[Name]
    is_default: Mapped[bool] = mapped_column(server_default="false", default=False)
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    archived_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[Instant]


class PipelineStage(TenantRow, Base):
    """A stage. Its key is what deals, their history and events hold, so it is unique in the tenant and stays for ever.

    Writers: `api`, and the trigger `default_pipeline` on `customers`.
    """

    __tablename__ = "pipeline_stages"
    __table_args__ = (
        tenant_fk("pipeline_id", "pipelines"),
        UniqueConstraint("customer_id", "key"),
        CheckConstraint("kind in ('open','won','lost')", name="kind"),
        CheckConstraint("probability between 0 and 1", name="probability"),
        Index("ix_pipeline_stages_pipeline", "customer_id", "pipeline_id", "position"),
    )

    pipeline_id: Mapped[Id]
    key: Mapped[Code]
    name: Mapped[str] = mapped_column(String(100))
    position: Mapped[int]
    probability: Mapped[float]
    kind: Mapped[Code]
    archived_at: Mapped[Instant | None]
