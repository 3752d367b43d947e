"""What can be asked of the list of opportunities."""

from typing import get_args

from api.modules.accounts.listing import ACCOUNTS
from api.modules.auth.listing import USERS
from api.modules.contacts.listing import CONTACTS
from api.modules.leads.listing import LEADS
from api.modules.opportunities.schemas import Status
from api.query.listing import Fields, Listing, Relation
from bevyly.db.schema import Opportunity

OPPORTUNITIES = Listing(
    name="opportunities",
    table=Opportunity,
    permission="opportunities:read",
    delete_permission="opportunities:delete",
    function="api_list_opportunities",
    search=("name",),
    fields=Fields(
        Opportunity,
        columns={"value_minor": "value"},
        choices={"status": get_args(Status)},
        sortable=("name", "value_minor", "expected_close_date", "created_at", "updated_at"),
        facets=("status", "stage", "currency", "owner_id"),
        hidden=("deleted_at",),
    ).of(
        "id", "account_id", "contact_id", "lead_id", "name", "stage", "status", "value_minor", "currency",
        "expected_close_date", "stage_entered_at", "closed_at", "owner_id", "version", "external_id", "custom",
        "created_at", "updated_at", "deleted_at",
    ),
    relations=(
        Relation("account", "account_id", ACCOUNTS),
        Relation("contact", "contact_id", CONTACTS),
        Relation("lead", "lead_id", LEADS),
        Relation("owner", "owner_id", USERS),
    ),
)  # fmt: skip
