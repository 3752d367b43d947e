"""The decision log: score → recommendation → approval → execution → outcome, each entry chained to the one before.

Writer: the database itself. Triggers on recommendations, approvals, agent runs, opportunities and leads note what
happened, whoever wrote it, and chain it when the transaction commits (`bevyly.db.migrations`, `2026_11_29_decisions`).
Nothing here is ever changed; of `decision_details` rows may go, which the log then says.
"""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Identity, Index, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, Id, Instant, Json, TenantRow

Hash = String(64)


class Decision(TenantRow, Base):
    """One entry of a tenant's log: ids, codes and hashes, nothing of a person. It only grows: no role may change it.

    `hash` is SHA-256 of `previous`, a newline and the entry as canonical JSON (`bevyly.decisions.chain`). The id is a
    UUID of version 8 that holds `sequence`, so both sort alike.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        UniqueConstraint("customer_id", "sequence"),
        Index("ix_decisions_list", "customer_id", "noted_at", "id"),
        Index("ix_decisions_recommendation", "customer_id", "recommendation_id", "noted_at", "id"),
        Index("ix_decisions_kind", "customer_id", "kind", "noted_at", "id"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[Code]
    recommendation_id: Mapped[Id | None]
    subject_type: Mapped[Code]
    subject_id: Mapped[Id | None] = mapped_column(comment="the row that it is about; null where that is a person")
    grounds: Mapped[Json] = mapped_column(comment="ids and hashes of what it rests on, all of them texts")
    occurred_at: Mapped[Instant] = mapped_column(comment="when it happened, as the row says that it is about")
    noted_at: Mapped[Instant]
    details_hash: Mapped[str | None] = mapped_column(Hash, comment="SHA-256 of the salt and the details")
    previous: Mapped[str] = mapped_column(Hash)
    hash: Mapped[str] = mapped_column(Hash)


class DecisionDetails(Base):
    """What an entry says beyond ids: whom it was about, who decided, the numbers. Erasable: the chain has its hash."""

    __tablename__ = "decision_details"
    __table_args__ = (
        ForeignKeyConstraint(["customer_id", "sequence"], ["decisions.customer_id", "decisions.sequence"]),
        Index("ix_decision_details_noted_at", "noted_at"),
    )

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    salt: Mapped[str] = mapped_column(String(32))
    document: Mapped[str] = mapped_column(comment="JSON text")
    noted_at: Mapped[Instant]


class DecisionHead(Base):
    """Where a tenant's log ends. Whoever appends locks the row, last of all, and moves it on."""

    __tablename__ = "decision_heads"

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(Hash)
    noted_at: Mapped[Instant]


class PendingDecisions(Base):
    """Entries of a transaction that has not committed yet. To everybody else the table is always empty."""

    __tablename__ = "decisions_pending"
    __table_args__ = (Index("ix_decisions_pending_transaction", "transaction"),)

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    transaction: Mapped[int] = mapped_column(BigInteger)
    entries: Mapped[list[Any]] = mapped_column(JSONB)
