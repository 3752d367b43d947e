"""What may be done with approval policies. Which of them holds for a command is decided when an agent is asked."""

from api.dependencies.work import WriteContext
from api.modules.approval_policies.errors import TooManyPolicies
from api.modules.approval_policies.repository import PolicyRepository
from api.records.service import require_version
from api.records.trail import Trail, Values
from bevyly.db.schema import ApprovalPolicy
from bevyly.ids import new_id

MAX_POLICIES = 200
"""In force at once: each of them is held against each command."""


class Policies:
    """Approval policies of one tenant. One is never changed: what asked for an approval can be read for ever."""

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.trail = Trail(context)
        self.policies = PolicyRepository(context.work.session, context.principal.customer_id)

    async def create(self, values: Values) -> ApprovalPolicy:
        """A new policy, in force from now on; raises `TooManyPolicies`."""
        if await self.policies.count() >= MAX_POLICIES:
            raise TooManyPolicies(f"There are {MAX_POLICIES} policies already; that is as many as may be.")
        principal = self.context.principal
        row = ApprovalPolicy(
            customer_id=principal.customer_id,
            id=new_id(),
            created_by=principal.user_id,
            created_at=self.trail.now,
            version=1,
            **values,
        )
        self.context.work.session.add(row)
        await self.context.work.session.flush()
        self.trail.audit("approval_policy.created", ("approval_policy", row.id), after=values)
        return row

    async def end(self, policy_id: str, *, expected_version: int | None) -> None:
        """Let a policy hold no longer. What it asked for stays as it is."""
        row = await self.policies.lock(policy_id)
        require_version(row, expected_version)
        row.ended_at = self.trail.now
        row.version += 1
        before = {name: getattr(row, name) for name in ("requires", "action", "audience", "amount_minor", "currency")}
        self.trail.audit("approval_policy.ended", ("approval_policy", row.id), before=before)
