"""Pairs of records that look the same and are not. Writer: `api`, in the area duplicates."""

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id


class DuplicateDismissal(Base):
    """Somebody said that two records are not the same; the smaller id is the first."""

    __tablename__ = "duplicate_dismissals"
    __table_args__ = (
        CheckConstraint("kind in ('account','contact','lead')", name="kind"),
        CheckConstraint("first_id < second_id", name="order"),
    )

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    kind: Mapped[Code] = mapped_column(primary_key=True)
    first_id: Mapped[Id] = mapped_column(primary_key=True)
    second_id: Mapped[Id] = mapped_column(primary_key=True)
    dismissed_by: Mapped[Id]
    created_at: Mapped[CreatedAt]
