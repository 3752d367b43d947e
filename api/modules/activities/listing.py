"""What can be asked of the list of activities."""

from typing import get_args

from api.modules.accounts.listing import ACCOUNTS
from api.modules.activities.schemas import Direction, Kind
from api.modules.auth.listing import USERS
from api.modules.contacts.listing import CONTACTS
from api.modules.leads.listing import LEADS
from api.modules.opportunities.listing import OPPORTUNITIES
from api.modules.teams.listing import OWNER_TEAMS
from api.query.listing import ZONE, Fields, Listing, Relation, Type, computed
from bevyly.db.schema import Activity

_PARTICIPANTS = """coalesce((
    select json_agg(
      json_build_object(
        'contact_id', p.contact_id, 'user_id', p.user_id, 'email', p.email, 'role', p.role, 'response', p.response)
      order by p.id)
    from activity_participants p where p.customer_id = {row}.customer_id and p.activity_id = {row}.id
  ), '[]')"""

WEEKDAY, HOUR = (
    computed(name, Type.INTEGER, f"extract({part} from {{row}}.occurred_at at time zone {ZONE})::bigint", shown=False)
    for name, part in (("weekday", "isodow"), ("hour", "hour"))
)
"""When it happened, where the asker's days begin: 1 is Monday."""

ACTIVITIES = Listing(
    name="activities",
    table=Activity,
    permission="activities:read",
    delete_permission="activities:delete",
    function="api_list_activities",
    default_sort="-occurred_at",
    fields=Fields(
        Activity,
        choices={"kind": get_args(Kind), "direction": get_args(Direction)},
        sortable=("occurred_at", "due_at", "updated_at"),
        facets=("kind", "direction", "owner_id"),
        hidden=("deleted_at",),
    ).of(
        "id", "kind", "direction", "subject", "body", "occurred_at", "recorded_at", "due_at", "completed_at",
        "duration_seconds", "account_id", "contact_id", "opportunity_id", "lead_id", "owner_id", "thread_id",
        "message_id", "in_reply_to", computed("participants", Type.JSON, _PARTICIPANTS), "version", "external_id",
        "custom", "created_at", "updated_at", "deleted_at", WEEKDAY, HOUR, OWNER_TEAMS,
    ),
    relations=(
        Relation("account", "account_id", ACCOUNTS),
        Relation("contact", "contact_id", CONTACTS),
        Relation("opportunity", "opportunity_id", OPPORTUNITIES),
        Relation("lead", "lead_id", LEADS),
        Relation("owner", "owner_id", USERS),
    ),
)  # fmt: skip
