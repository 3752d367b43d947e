"""What may be done with accounts."""

from typing import ClassVar

from api.records.service import RecordService, require_currency
from bevyly.db.schema import Account


class AccountService(RecordService[Account]):
    """Companies of one tenant."""

    table = Account
    kind: ClassVar[str] = "account"
    created_fields: ClassVar[tuple[str, ...]] = (
        "name",
        "domain",
        "industry",
        "employee_count",
        "annual_revenue_minor",
        "currency",
        "country",
        "city",
        "owner_id",
        "tags",
        "custom",
    )
    naming_fields: ClassVar[tuple[str, ...]] = ("name", "domain")

    def check(self, row: Account) -> None:
        require_currency(row.annual_revenue_minor, row.currency, "annual_revenue_minor")
