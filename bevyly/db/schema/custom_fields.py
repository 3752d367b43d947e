"""What a tenant's own fields are. Their values are in `custom` of the records. Writer: `api`."""

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, CreatedAt, Instant, JsonList, TenantRow


class CustomField(TenantRow, Base):
    """A field of the tenant's own: the type that values under its key have in records of one kind. Writer: `api`.

    Object, key and type stay for ever, because records, filters and files hold them. `options` are value, label and
    whether new values may be it, in the order in which they are offered.
    """

    __tablename__ = "custom_fields"
    __table_args__ = (
        UniqueConstraint("customer_id", "object", "key"),
        CheckConstraint("object in ('account','contact','lead','opportunity','activity')", name="object"),
        CheckConstraint(
            "type in ('text','number','boolean','date','datetime','select','multi_select','url','email')", name="type"
        ),
        CheckConstraint("key ~ '^[a-z][a-z0-9_]{0,49}$'", name="key"),
        Index("ix_custom_fields_list", "customer_id", text("created_at desc"), text("id desc")),
    )

    object: Mapped[Code]
    key: Mapped[Code]
    label: Mapped[str] = mapped_column(String(100))
    description: Mapped[str | None] = mapped_column(String(1000))
    type: Mapped[Code]
    options: Mapped[JsonList]
    max_length: Mapped[int | None]
    minimum: Mapped[float | None]
    maximum: Mapped[float | None]
    archived: Mapped[bool] = mapped_column(server_default="false", default=False)
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[Instant]
