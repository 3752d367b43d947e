"""What people do with what agents want: allow it, refuse it, or change what is said. Exactly one decision counts.

An approval names the hash of the content that was seen, and the content of that hash is what may be executed.
"""

from typing import Any

from api.dependencies.work import WriteContext
from api.modules.approvals.errors import ApprovalExpired, ContentChanged, ManagerRequired, NotPending, SelfApproval
from api.modules.approvals.repository import ApprovalRepository
from api.permissions import MANAGERS
from api.records.service import require_version
from api.records.trail import Trail, Values
from bevyly.agents.content import content_hash
from bevyly.db.schema import ApprovalItem
from bevyly.errors import BevylyError, Invalid


class Approvals:
    """Approvals of one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.trail = Trail(context)
        self.items = ApprovalRepository(context.work.session, context.principal.customer_id)

    async def approve(self, approval_id: str, *, content_hash: str, reason: str | None) -> ApprovalItem:
        """Allow what was seen.

        Raises `SelfApproval`, `ManagerRequired`, `ContentChanged`, `NotPending` or `ApprovalExpired`.
        """
        row = await self.items.find(approval_id)
        # a person's API key is the person
        if self.context.principal.user_id in (row.requested_by, row.sponsor_id):
            raise SelfApproval("Somebody else has to approve what you asked for, or what an agent of yours does.")
        if row.requires == "manager" and self.context.principal.role not in MANAGERS:
            raise ManagerRequired("An owner or an admin has to approve this.", policy_id=row.policy_id)
        return await self._decide(row.id, "approved", reason, content_hash)

    async def reject(self, approval_id: str, *, reason: str) -> ApprovalItem:
        """Refuse it, whatever its content; raises `NotPending` or `ApprovalExpired`."""
        row = await self.items.find(approval_id)
        return await self._decide(row.id, "rejected", reason, None)

    async def edit(self, approval_id: str, content: Values, *, expected_version: int | None) -> ApprovalItem:
        """Change what is said; raises `Invalid` where it would be another command, or about another record."""
        row = await self.items.find(approval_id, lock=True)
        require_version(row, expected_version)
        self._require_open(row)
        if _target(content) != _target(row.content):
            raise Invalid("An edit keeps the command, who asked and the records that it is about.")
        before = {"content": row.content, "content_hash": row.content_hash}
        if content == row.content:
            return row
        row.content = content
        await self.items.stored(row)
        row.content_hash = content_hash(row.content)
        row.edited_by, row.edited_at = self.context.principal.user_id, self.trail.now
        row.version += 1
        after = {"content": row.content, "content_hash": row.content_hash}
        self.trail.audit("approval.edited", ("approval", row.id), before=before, after=after)
        return row

    async def rendered(self, row: ApprovalItem) -> bytes:
        """The item as every read answers it."""
        return await self.items.rendered(row.id, self.trail.now)

    async def _decide(self, approval_id: str, status: str, reason: str | None, seen: str | None) -> ApprovalItem:
        user_id = self.context.principal.user_id
        row = await self.items.decide(
            approval_id, status, by=user_id, at=self.trail.now, reason=reason, content_hash=seen
        )
        if row is None:
            raise self._why_not(await self.items.find(approval_id))
        subject = ("approval", row.id)
        after = {"status": status, "content_hash": row.content_hash, "reason": reason}
        self.trail.audit(f"approval.{status}", subject, before={"status": "pending"}, after=after)
        data = {
            "approval_id": row.id,
            "agent_run_id": row.agent_run_id,
            "item_type": row.item_type,
            "content_hash": row.content_hash,
            "user_id": user_id,
            "reason": reason,
        }
        self.trail.emit(f"approval.{status}", subject, sequence=row.version, data=data)
        return row

    def _require_open(self, row: ApprovalItem) -> None:
        if row.status != "pending":
            raise NotPending(f"It was {row.status} before.", current=row.status)
        if row.expires_at is not None and row.expires_at <= self.trail.now:
            raise ApprovalExpired("It waited too long. Ask the agent again.")

    def _why_not(self, row: ApprovalItem) -> BevylyError:
        """The error for an item that could not be decided."""
        try:
            self._require_open(row)
        except BevylyError as error:
            return error
        return ContentChanged("The content changed since you saw it.", content_hash=row.content_hash)


def _target(content: dict[str, Any]) -> dict[str, Any]:
    """What of a content says which command it is, who asked, and about whom."""
    fixed = ("command", "requested_by")
    return {name: value for name, value in content.items() if name in fixed or name.endswith("_id")}
