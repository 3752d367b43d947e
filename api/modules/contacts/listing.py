"""What can be asked of the list of contacts."""

from api.modules.accounts.listing import ACCOUNTS
from api.modules.auth.listing import USERS
from api.query.listing import Fields, Listing, Relation
from bevyly.db.schema import Contact

CONTACTS = Listing(
    name="contacts",
    table=Contact,
    permission="contacts:read",
    delete_permission="contacts:delete",
    function="api_list_contacts",
    search=("email", "last_name"),
    fields=Fields(
        Contact,
        sortable=("last_name", "created_at", "updated_at"),
        facets=("seniority", "role", "owner_id"),
        hidden=("deleted_at",),
    ).of(
        "id", "account_id", "first_name", "last_name", "email", "phone", "title", "seniority", "role", "owner_id",
        "version", "external_id", "custom", "created_at", "updated_at", "deleted_at",
    ),
    relations=(Relation("account", "account_id", ACCOUNTS), Relation("owner", "owner_id", USERS)),
)  # fmt: skip
