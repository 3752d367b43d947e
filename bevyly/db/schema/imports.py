"""Files that people import: the file, how it is read, what came of each row. Writer: `api`, with its importer."""

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, Json, JsonList, TenantRow, tenant_fk

ACTIVE = ("queued", "running", "reverting")


def _of_import() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["customer_id", "import_id"], ["imports.customer_id", "imports.id"], ondelete="CASCADE")


class Import(TenantRow, Base):
    """One file and its run. `rows_done` is the checkpoint: it moves with the effect of the rows. Writer: `api`.

    While `leased_until` lies ahead an importer is at it, and only the holder of `lease` may move the checkpoint.
    """

    __tablename__ = "imports"
    __table_args__ = (
        tenant_fk("created_by", "users"),
        CheckConstraint("kind in ('account','contact','lead','opportunity')", name="kind"),
        CheckConstraint(
            "status in ('uploaded','mapped','queued','running','checked','done','failed','cancelled',"
            "'reverting','reverted')",
            name="status",
        ),
        Index("ix_imports_list", "customer_id", text("created_at desc"), text("id desc")),
        Index(
            "ix_imports_active",
            "updated_at",
            postgresql_where=text("status in ('queued','running','reverting')"),
        ),
    )

    kind: Mapped[Code]
    filename: Mapped[str | None] = mapped_column(String(255))
    status: Mapped[Code] = mapped_column(server_default="uploaded", default="uploaded")
    dry_run: Mapped[bool] = mapped_column(server_default="false", default=False)
    size_bytes: Mapped[int] = mapped_column(Integer)
    encoding: Mapped[Code]
    delimiter: Mapped[str] = mapped_column(String(1))
    has_header: Mapped[bool]
    columns: Mapped[JsonList]
    mapping: Mapped[Json]
    rows_total: Mapped[int | None]
    rows_done: Mapped[int] = mapped_column(server_default="0", default=0)
    counts: Mapped[Json] = mapped_column(comment="rows by what became of them")
    reverted: Mapped[Json] = mapped_column(comment="records by what became of them when the import was taken back")
    error: Mapped[str | None] = mapped_column(String(1000))
    created_by: Mapped[Id]
    started_at: Mapped[Instant | None]
    finished_at: Mapped[Instant | None]
    told_at: Mapped[Instant | None] = mapped_column(comment="when its progress was last an event")
    leased_until: Mapped[Instant | None]
    lease: Mapped[str | None] = mapped_column(String(36))
    attempts: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class ImportChunk(Base):
    """A part of the file as it was sent; gone when the import is done. Writer: `api`."""

    __tablename__ = "import_chunks"
    __table_args__ = (_of_import(),)

    customer_id: Mapped[Id] = mapped_column(primary_key=True)
    import_id: Mapped[Id] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ImportFailure(Base):
    """One row that was refused, with its cells. Writer: `api`."""

    __tablename__ = "import_errors"
    __table_args__ = (_of_import(),)

    customer_id: Mapped[Id] = mapped_column(primary_key=True)
    import_id: Mapped[Id] = mapped_column(primary_key=True)
    row_number: Mapped[int] = mapped_column(Integer, primary_key=True)
    column_name: Mapped[str | None] = mapped_column(String(255))
    code: Mapped[Code]
    message: Mapped[str]
    cells: Mapped[JsonList]


class ImportEffect(Base):
    """What an import did to one record, and what it was before. `outcome` is how taking it back went. Writer: `api`."""

    __tablename__ = "import_effects"
    __table_args__ = (
        _of_import(),
        CheckConstraint("action in ('created','updated')", name="action"),
        Index("ix_import_effects_rows", "customer_id", "import_id", "row_number"),
    )

    customer_id: Mapped[Id] = mapped_column(primary_key=True)
    import_id: Mapped[Id] = mapped_column(primary_key=True)
    record_id: Mapped[Id] = mapped_column(primary_key=True)
    row_number: Mapped[int] = mapped_column(Integer)
    action: Mapped[Code]
    version: Mapped[int]
    before: Mapped[dict[str, Any]] = mapped_column(JSONB)
    after: Mapped[dict[str, Any]] = mapped_column(JSONB)
    outcome: Mapped[Code | None]
