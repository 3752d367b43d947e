"""What can be asked of the list of accounts."""

from api.modules.auth.listing import USERS
from api.query.listing import Fields, Listing, Relation
from bevyly.db.schema import Account

ACCOUNTS = Listing(
    name="accounts",
    table=Account,
    permission="accounts:read",
    delete_permission="accounts:delete",
    function="api_list_accounts",
    search=("name",),
    fields=Fields(
        Account,
        sortable=("name", "annual_revenue_minor", "created_at", "updated_at"),
        facets=("industry", "country", "currency", "owner_id"),
        hidden=("deleted_at",),
    ).of(
        "id", "name", "domain", "industry", "employee_count", "annual_revenue_minor", "currency", "country", "city",
        "owner_id", "version", "external_id", "custom", "created_at", "updated_at", "deleted_at",
    ),
    relations=(Relation("owner", "owner_id", USERS),),
)  # fmt: skip
