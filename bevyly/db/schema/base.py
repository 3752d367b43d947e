"""What all tables share: naming, column types, the tenant key, composite foreign keys.

A table here is a SQLAlchemy class. Does not belong here: any one table.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import (
    CHAR,
    BigInteger,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    Text,
    TextClause,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bevyly.ids import ID_LENGTH, new_id

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Id = Annotated[str, mapped_column(String(ID_LENGTH))]
Name = Annotated[str, mapped_column(String(255))]
Code = Annotated[str, mapped_column(String(50))]
Currency = Annotated[str, mapped_column(CHAR(3))]
Minor = Annotated[int, mapped_column(BigInteger)]
Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
CreatedAt = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
Json = Annotated[dict[str, Any], mapped_column(JSONB, server_default="{}", default=dict)]
JsonList = Annotated[list[Any], mapped_column(JSONB, server_default="[]", default=list)]


class Base(DeclarativeBase):
    """Registry of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


class TenantRow:
    """A row of one tenant: `customer_id` leads the key, so that no row can point into another tenant."""

    customer_id: Mapped[Id] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    id: Mapped[Id] = mapped_column(primary_key=True, default=new_id)


class Versioned:
    """A row that people change: a version for `ETag` and event order, a soft delete, when it was made and changed."""

    version: Mapped[int] = mapped_column(default=1, server_default="1")
    external_id: Mapped[str | None] = mapped_column(String(255))
    custom: Mapped[Json]
    deleted_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[Instant] = mapped_column(server_default=func.now())


def live_index(name: str, *columns: str | TextClause) -> Index:
    """Index of the rows that are not deleted, in the order of `columns` and then of ids, read from either end."""
    return Index(name, "customer_id", *columns, "id", postgresql_where=text("deleted_at is null"))


def tenant_fk(column: str, table: str, *, ondelete: str | None = None) -> ForeignKeyConstraint:
    """Foreign key from `(customer_id, column)` to the row of the same tenant in `table`."""
    return ForeignKeyConstraint(["customer_id", column], [f"{table}.customer_id", f"{table}.id"], ondelete=ondelete)
