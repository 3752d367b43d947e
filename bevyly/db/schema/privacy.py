"""Rights of people about whom we keep data: what they asked for, the files they get, who was erased."""

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Id, Instant, Json, TenantRow, tenant_fk


class PrivacyRequest(TenantRow, Base):
    """An export or an erasure of one person. Writers: `api` (asks, confirms), `bevyly.privacy.worker` (the rest).

    `subject` is sealed: whom the request names, and once found, everything by which the person is recognised; it is
    gone when the request has ended. `mark` is a keyed hash of what was asked for: the same person is not asked for
    twice at a time. The worker holds the row while it works.
    """

    __tablename__ = "privacy_requests"
    __table_args__ = (
        tenant_fk("requested_by", "users"),
        tenant_fk("confirmed_by", "users"),
        CheckConstraint("kind in ('export','erasure')", name="kind"),
        CheckConstraint(
            "status in ('queued','previewed','confirmed','settling','done','expired','failed','cancelled')",
            name="status",
        ),
        Index("ix_privacy_requests_list", "customer_id", text("created_at desc"), text("id desc")),
        Index(
            "uq_privacy_requests_open",
            "customer_id",
            "kind",
            "mark",
            unique=True,
            postgresql_where=text("status in ('queued','previewed','confirmed')"),
        ),
        Index(
            "ix_privacy_requests_active",
            "created_at",
            postgresql_where=text("status in ('queued','confirmed','settling')"),
        ),
    )

    kind: Mapped[Code]
    status: Mapped[Code] = mapped_column(server_default="queued", default="queued")
    mark: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str | None] = mapped_column(comment="sealed JSON; null once the request has ended")
    found: Mapped[Json] = mapped_column(comment="ids of the records that are the person, by kind")
    counts: Mapped[Json] = mapped_column(comment="rows by table")
    error: Mapped[str | None] = mapped_column(String(1000))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    requested_by: Mapped[Id]
    confirmed_by: Mapped[Id | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
    settles_at: Mapped[Instant | None] = mapped_column(comment="when what was under way has arrived")
    started_at: Mapped[Instant | None]
    finished_at: Mapped[Instant | None]
    expires_at: Mapped[Instant | None] = mapped_column(comment="when the file of an export goes")
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class PrivacyFile(Base):
    """A part of the file of an export. Writer: `bevyly.privacy`."""

    __tablename__ = "privacy_files"
    __table_args__ = (
        ForeignKeyConstraint(
            ["customer_id", "request_id"], ["privacy_requests.customer_id", "privacy_requests.id"], ondelete="CASCADE"
        ),
    )

    customer_id: Mapped[Id] = mapped_column(primary_key=True)
    request_id: Mapped[Id] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ErasedMark(Base):
    """Somebody was erased: keyed hashes of addresses and ids, by which events that come late are recognised.

    Writer: `bevyly.privacy.worker`. What was recorded after `erased_at` is another story, and stays.
    """

    __tablename__ = "erased_marks"

    customer_id: Mapped[Id] = mapped_column(primary_key=True)
    mark: Mapped[str] = mapped_column(String(64), primary_key=True)
    erased_at: Mapped[Instant]
