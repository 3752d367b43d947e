"""What can be asked of the list of leads."""

from typing import get_args

from api.modules.accounts.listing import ACCOUNTS
from api.modules.auth.listing import USERS
from api.modules.contacts.listing import CONTACTS
from api.modules.leads.schemas import OpenStatus
from api.modules.teams.listing import OWNER_TEAMS
from api.query.listing import Fields, Listing, Relation
from bevyly.db.schema import Lead

LEADS = Listing(
    name="leads",
    table=Lead,
    permission="leads:read",
    delete_permission="leads:delete",
    function="api_list_leads",
    search=("company_name", "contact_email"),
    fields=Fields(
        Lead,
        columns={"value_minor": "value"},
        choices={"status": (*get_args(OpenStatus), "converted")},
        sortable=("company_name", "value_minor", "created_at", "updated_at"),
        facets=("status", "source", "currency", "owner_id"),
        hidden=("deleted_at",),
    ).of(
        "id", "company_name", "contact_name", "contact_email", "phone", "source", "status", "value_minor", "currency",
        "account_id", "contact_id", "opportunity_id", "converted_at", "score_at_conversion",
        "score_id_at_conversion", "owner_id", "tags", "version", "external_id", "custom", "created_at", "updated_at",
        "deleted_at", OWNER_TEAMS,
    ),
    relations=(
        Relation("account", "account_id", ACCOUNTS),
        Relation("contact", "contact_id", CONTACTS),
        Relation("owner", "owner_id", USERS),
    ),
)  # fmt: skip
