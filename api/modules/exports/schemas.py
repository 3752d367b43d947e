"""What an export may be narrowed by."""

from api.schemas import Id, Input, Instant, Text50


class ExportQuery(Input):
    """Which records."""

    owner_id: Id | None = None
    status: Text50 | None = None
    updated_since: Instant | None = None


class CsvQuery(ExportQuery):
    """Which records, and in which form."""

    bom: bool = False
    """Begin with a byte order mark, which spreadsheets on Windows take as the sign of UTF-8."""
