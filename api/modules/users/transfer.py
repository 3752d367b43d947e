"""Records change hands: in sets, each with the audit row and the event that a change by hand would have."""

from api.dependencies.work import WriteContext
from api.modules.users.errors import NotASuccessor
from api.modules.users.repository import OWNED, UserRepository
from api.problems import ReferenceNotFound
from api.records.trail import Trail
from bevyly.ids import is_id

MAX_MOVED = 1_000
"""Records in one call: as many as fit well into one transaction with their events."""


class OwnershipTransfer:
    """Gives what one user of a tenant owns to another."""

    def __init__(self, context: WriteContext) -> None:
        self.trail = Trail(context)
        self.users = UserRepository(context.work.session, context.principal.customer_id)

    async def move(self, user_id: str, to: str) -> tuple[int, int]:
        """How many records were moved and how many are left; raises `NotFound` or `NotASuccessor`."""
        row = await self.users.lock(user_id)
        await self.require_successor(row.id, to)
        return await self.give(row.id, to)

    async def require_successor(self, user_id: str, to: str) -> None:
        """Raise unless `to` is another user who may come in."""
        active = await self.users.is_active(to) if is_id(to) else None
        if active is None:
            raise ReferenceNotFound.of("transfer_to")
        if not active or to == user_id:
            raise NotASuccessor("Records can go only to another user who is not disabled.")

    async def give(self, user_id: str, to: str) -> tuple[int, int]:
        """Move up to `MAX_MOVED` records, kind by kind; the caller holds both users."""
        moved = 0
        for kind in OWNED:
            rows = await self.users.give(kind, user_id, to, limit=MAX_MOVED - moved, now=self.trail.now)
            moved += len(rows)
            for record_id, version in rows:
                self._tell((kind, record_id), version, user_id, to)
        return moved, await self.users.owned(user_id)

    def _tell(self, subject: tuple[str, str], version: int, user_id: str, to: str) -> None:
        before, after = {"owner_id": user_id}, {"owner_id": to}
        data = {f"{subject[0]}_id": subject[1], "before": before, "after": after}
        self.trail.emit(f"{subject[0]}.updated", subject, sequence=version, data=data)
        self.trail.audit(f"{subject[0]}.updated", subject, before=before, after=after)
