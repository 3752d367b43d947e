"""What can be asked of the list of opportunities."""

from typing import get_args

from api.modules.accounts.listing import ACCOUNTS
from api.modules.auth.listing import USERS
from api.modules.contacts.listing import CONTACTS
from api.modules.leads.listing import LEADS
from api.modules.opportunities.schemas import Status
from api.modules.teams.listing import OWNER_TEAMS
from api.query.listing import Fields, Listing, Relation, Type, computed
from bevyly.db.schema import Opportunity

PIPELINE = computed(
    "pipeline_id",
    Type.ID,
    "(select s.pipeline_id from pipeline_stages s where s.customer_id = {row}.customer_id and s.key = {row}.stage)",
    shown=False,
)
STAGES = computed(
    "stages",
    Type.LIST,
    "array(select distinct h.new_value from opportunity_history h where h.customer_id = {row}.customer_id "
    "and h.opportunity_id = {row}.id and h.field = 'stage')",
    shown=False,
)
"""Every stage that the deal has ever been in."""
_WIN = (
    "from scores s join model_versions v on v.id = s.model_version_id "
    "where s.customer_id = {row}.customer_id and s.entity_type = 'opportunity' and s.entity_id = {row}.id "
    "and s.score_type = 'win' and s.is_current and v.display = 'probability')"
)
WIN_SCORE = computed("win_score_id", Type.ID, f"(select s.id {_WIN}", shown=False)
"""The score that `win_probability` is of."""
WIN_PROBABILITY = computed("win_probability", Type.NUMBER, f"(select s.probability {_WIN}", shown=False)
"""What the model says, where it may be shown as a probability: none after its calibration broke."""
_FORECAST = (
    "from opportunity_forecasts f where f.customer_id = {row}.customer_id and f.opportunity_id = {row}.id "
    "and f.is_current"
)
_SAME_CURRENCY = "and f.currency = {row}.currency"
FORECASTS = tuple(
    computed(
        name, kind, f"(select f.{column} {_FORECAST} {_SAME_CURRENCY if kind is Type.INTEGER else ''})", shown=False
    )
    for name, kind, column in (
        ("forecast_close_low", Type.DAY, "close_low"),
        ("forecast_close_date", Type.DAY, "close_median"),
        ("forecast_close_high", Type.DAY, "close_high"),
        ("forecast_amount_low_minor", Type.INTEGER, "amount_low_minor"),
        ("forecast_amount_minor", Type.INTEGER, "amount_median_minor"),
        ("forecast_amount_high_minor", Type.INTEGER, "amount_high_minor"),
        ("forecast_probability", Type.NUMBER, "win_probability"),
        ("forecast_basis", Type.TEXT, "basis"),
    )
)
"""When an open deal will be won and for how much, if it is (10, 50, 90 %), and the probability that sums go by."""

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
        "expected_close_date", "stage_entered_at", "closed_at", "owner_id", "tags", "version", "external_id", "custom",
        "created_at", "updated_at", "deleted_at", PIPELINE, STAGES, WIN_PROBABILITY, WIN_SCORE, OWNER_TEAMS,
        *FORECASTS,
    ),
    relations=(
        Relation("account", "account_id", ACCOUNTS),
        Relation("contact", "contact_id", CONTACTS),
        Relation("lead", "lead_id", LEADS),
        Relation("owner", "owner_id", USERS),
    ),
)  # fmt: skip
