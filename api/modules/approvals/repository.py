"""Statements about approvals of one tenant. That exactly one decision counts is decided here, by the database."""

from datetime import datetime

from sqlalchemy import func, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.records.repository import missing
from bevyly.db.schema import ApprovalItem
from bevyly.ids import is_id


class ApprovalRepository:
    """What waits for a person, and what became of it."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def find(self, approval_id: str, *, lock: bool = False) -> ApprovalItem:
        """The item as it is now, held until the unit of work ends where `lock`; raises `NotFound`."""
        statement = (
            select(ApprovalItem)
            .where(ApprovalItem.customer_id == self.customer_id, ApprovalItem.id == approval_id)
            .execution_options(populate_existing=True)
        )
        if lock:
            statement = statement.with_for_update()
        row = await self.session.scalar(statement) if is_id(approval_id) else None
        if row is None:
            raise missing("approval")
        return row

    async def decide(
        self, approval_id: str, status: str, *, by: str, at: datetime, reason: str | None, content_hash: str | None
    ) -> ApprovalItem | None:
        """The item that this decided, or None: decided before, expired, or of another content than `content_hash`."""
        table = ApprovalItem
        conditions = [
            table.customer_id == self.customer_id,
            table.id == approval_id,
            table.status == "pending",
            or_(table.expires_at.is_(None), table.expires_at > at),
        ]
        if content_hash is not None:
            conditions.append(table.content_hash == content_hash)
        return await self.session.scalar(
            update(table)
            .where(*conditions)
            .values(status=status, reviewed_by=by, reviewed_at=at, reason=reason, version=table.version + 1)
            .returning(table)
            .execution_options(synchronize_session=False, populate_existing=True)
        )

    async def stored(self, row: ApprovalItem) -> None:
        """Write `row`, and read its content as the database keeps it."""
        await self.session.flush()
        await self.session.refresh(row, ["content"])

    async def rendered(self, approval_id: str, at: datetime) -> bytes:
        """The item as every read answers it."""
        await self.session.flush()
        function = func.api_get_approval(self.customer_id, approval_id, at)
        return str(await self.session.scalar(select(literal_column("body")).select_from(function))).encode()
