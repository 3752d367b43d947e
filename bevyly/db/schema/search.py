"""What can be found across kinds. Writers: triggers on the tables of the CRM, nobody else."""

from sqlalchemy import ARRAY, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from bevyly.db.schema.base import Base, Code, Json, TenantRow


class SearchEntry(TenantRow, Base):
    """A record that is there, as a search finds and shows it; `grams` are its trigrams, hashed with the tenant."""

    __tablename__ = "search_entries"
    __table_args__ = (
        Index(
            "ix_search_entries_grams",
            "grams",
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": 256},
        ),
    )

    kind: Mapped[Code] = mapped_column(primary_key=True)
    title: Mapped[str]
    subtitle: Mapped[str | None]
    fields: Mapped[Json] = mapped_column(comment="what can be found, by the names of the API's fields")
    words: Mapped[str] = mapped_column(comment="folded, with bars around each field")
    grams: Mapped[list[int]] = mapped_column(ARRAY(Integer))
