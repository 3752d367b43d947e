"""What may be done with leads, but for their conversion."""

from typing import ClassVar

from api.records.service import RecordService, require_currency
from api.records.trail import Values
from bevyly.db.schema import Lead
from bevyly.errors import Conflict


class AlreadyConverted(Conflict):
    """The lead became a customer before; the context says what it became."""

    code = "lead_already_converted"


class LeadService(RecordService[Lead]):
    """People and companies that may become customers of one tenant."""

    table = Lead
    kind: ClassVar[str] = "lead"
    columns: ClassVar[dict[str, str]] = {"value_minor": "value"}
    created_fields: ClassVar[tuple[str, ...]] = (
        "company_name",
        "contact_name",
        "contact_email",
        "phone",
        "source",
        "status",
        "value_minor",
        "currency",
        "owner_id",
        "account_id",
        "contact_id",
        "tags",
        "custom",
    )
    naming_fields: ClassVar[tuple[str, ...]] = ("company_name", "contact_name", "contact_email", "status")

    def prepare(self, row: Lead) -> None:
        row.status = row.status or "new"
        super().prepare(row)

    def check(self, row: Lead) -> None:
        require_currency(row.value, row.currency, "value_minor")

    async def changed(self, row: Lead, before: Values, after: Values) -> None:
        if row.converted_at is not None and "status" in after:
            raise already_converted(row)
        await super().changed(row, before, after)


def already_converted(row: Lead) -> AlreadyConverted:
    """The error that names what a lead became."""
    return AlreadyConverted(
        "This lead was converted before.",
        account_id=row.account_id,
        contact_id=row.contact_id,
        opportunity_id=row.opportunity_id,
    )
