"""Statements about approval policies of one tenant."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.records.repository import missing, rendered
from bevyly.db.schema import ApprovalPolicy
from bevyly.ids import is_id


class PolicyRepository:
    """Policies of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def count(self) -> int:
        """How many are in force, counted alone: another count waits until this unit of work ends."""
        lock = func.pg_advisory_xact_lock(func.hashtextextended(f"approval_policies:{self.customer_id}", 0))
        await self.session.execute(select(lock))
        statement = select(func.count()).where(
            ApprovalPolicy.customer_id == self.customer_id, ApprovalPolicy.ended_at.is_(None)
        )
        return await self.session.scalar(statement) or 0

    async def lock(self, policy_id: str) -> ApprovalPolicy:
        """The policy in force, held until the unit of work ends; raises `NotFound`."""
        statement = select(ApprovalPolicy).where(
            ApprovalPolicy.customer_id == self.customer_id,
            ApprovalPolicy.id == policy_id,
            ApprovalPolicy.ended_at.is_(None),
        )
        row = await self.session.scalar(statement.with_for_update()) if is_id(policy_id) else None
        if row is None:
            raise missing("approval_policy")
        return row

    async def rendered(self, policy_id: str) -> bytes:
        """The policy as every read answers it."""
        return await rendered(self.session, "approval_policy", self.customer_id, policy_id)
