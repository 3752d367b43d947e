"""Shapes of approvals."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from api.modules.approval_policies.schemas import Requires
from api.query.schemas import ListPage, ListQuery
from api.schemas import Comment, Id, Input, Output, Scalar, Text50, Text100, small

Status = Literal["pending", "approved", "rejected", "expired"]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Value = Scalar | Annotated[list[Scalar], Field(max_length=100)]
Content = Annotated[
    dict[Text100, _Value | Annotated[dict[Text100, _Value], Field(max_length=200)]],
    Field(max_length=200, description="what the agent wants to do"),
    AfterValidator(small),
]


class ApprovalQuery(ListQuery):
    """Which approvals."""

    status: Status | None = None
    item_type: Text50 | None = None
    agent_run_id: Id | None = None


class Approval(Output):
    """Something an agent wants to do. What is executed is the content whose hash was approved."""

    id: Id
    agent_run_id: Id | None
    item_type: str
    content: dict[str, Any]
    content_hash: str
    status: Status
    requested_by: Id | None
    sponsor_id: Id | None
    requires: Requires
    policy_id: Id | None = Field(description="the policy that requires it; null where none did")
    edited_by: Id | None
    edited_at: datetime | None
    reviewed_by: Id | None
    reviewed_at: datetime | None
    reason: str | None
    expires_at: datetime | None
    version: int
    created_at: datetime


class ApprovalPage(ListPage):
    """A page of approvals, newest first."""

    data: list[Approval]


class Approve(Input):
    """Let exactly this be done."""

    content_hash: Hash = Field(description="that of the content that you saw")
    reason: Comment | None = None


class Reject(Input):
    """Do not let it be done."""

    reason: Comment = Field(min_length=1)


class Edit(Input):
    """What shall be done instead: a new content, for the same command about the same records."""

    content: Content
