"""What may be done with contacts."""

from typing import ClassVar

from api.records.service import RecordService
from bevyly.db.schema import Contact


class ContactService(RecordService[Contact]):
    """People of one tenant's accounts."""

    table = Contact
    kind: ClassVar[str] = "contact"
    created_fields: ClassVar[tuple[str, ...]] = (
        "account_id",
        "first_name",
        "last_name",
        "email",
        "phone",
        "title",
        "seniority",
        "role",
        "owner_id",
        "tags",
        "custom",
    )
    naming_fields: ClassVar[tuple[str, ...]] = ("first_name", "last_name", "email", "account_id")
