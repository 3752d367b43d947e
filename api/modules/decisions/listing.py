"""What can be asked of the decision log."""

from api.modules.intent.listing import RECOMMENDATIONS
from api.query.listing import Fields, Listing, Relation, Type, computed
from bevyly.db.schema import Decision

_DETAILS = """(
    select x.document::json from decision_details x
    where x.customer_id = {row}.customer_id and x.sequence = {row}.sequence)"""
_ERASED = """({row}.details_hash is not null and not exists (
    select from decision_details x where x.customer_id = {row}.customer_id and x.sequence = {row}.sequence))"""

DECISIONS = Listing(
    name="decisions",
    table=Decision,
    permission="decisions:read",
    function="api_list_decisions",
    default_sort="-noted_at",
    fields=Fields(Decision, sortable=("noted_at",), facets=("kind", "subject_type")).of(
        "id", "sequence", "kind", "recommendation_id", "subject_type", "subject_id", "grounds",
        computed("details", Type.JSON, _DETAILS), computed("details_erased", Type.BOOLEAN, _ERASED, facet=True),
        "occurred_at", "noted_at", "details_hash", "previous", "hash",
    ),
    relations=(Relation("recommendation", "recommendation_id", RECOMMENDATIONS),),
)  # fmt: skip
