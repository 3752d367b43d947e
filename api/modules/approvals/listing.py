"""What can be asked of the list of approvals."""

from typing import get_args

from api.modules.approvals.schemas import Status
from api.query.listing import MOMENT, Fields, Listing, Type, computed
from bevyly.db.schema import ApprovalItem

_STATUS = (
    f"case when {{row}}.status = 'pending' and {{row}}.expires_at <= {MOMENT} then 'expired' else {{row}}.status end"
)

APPROVALS = Listing(
    name="approvals",
    table=ApprovalItem,
    permission="approvals:read",
    function="api_list_approvals",
    fields=Fields(
        ApprovalItem, sortable=("created_at", "expires_at", "reviewed_at"),
        facets=("item_type", "requires", "policy_id", "reviewed_by"),
    ).of(
        "id", "agent_run_id", "item_type", "content", "content_hash",
        computed("status", Type.TEXT, _STATUS, facet=True, choices=get_args(Status)),
        "requested_by", "sponsor_id", "requires", "policy_id", "edited_by", "edited_at", "reviewed_by", "reviewed_at",
        "reason", "expires_at", "version", "created_at",
    ),
)  # fmt: skip
