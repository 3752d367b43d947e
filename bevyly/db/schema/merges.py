"""Merges of records, so that each can be taken back exactly. Writer: `api`, in the area merges."""

from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, Json, TenantRow
from bevyly.ids import ID_LENGTH


class Merge(TenantRow, Base):
    """One merge: who stayed, who went, what the survivor's fields were and became, and which rows were re-pointed.

    `moved` is `{"<table>.<column>": {"<id of the loser>": ["<id of the row>", …]}}`. A row stays as written but for
    `undone_at` and `undone_by`.
    """

    __tablename__ = "merges"
    __table_args__ = (
        CheckConstraint("kind in ('account','contact','lead')", name="kind"),
        Index("ix_merges_list", "customer_id", text("created_at desc"), text("id desc")),
        Index("ix_merges_survivor", "customer_id", "survivor_id", text("created_at desc"), text("id desc")),
    )

    kind: Mapped[Code]
    survivor_id: Mapped[Id]
    absorbed_ids: Mapped[list[str]] = mapped_column(ARRAY(String(ID_LENGTH)))
    before: Mapped[Json]
    after: Mapped[Json]
    moved: Mapped[dict[str, Any]] = mapped_column(JSONB)
    merged_by: Mapped[Id] = mapped_column(comment="the user or key that asked for it")
    undone_at: Mapped[Instant | None]
    undone_by: Mapped[Id | None]
    created_at: Mapped[CreatedAt]
