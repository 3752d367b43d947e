"""What may be done with other users: their role, whether they may come in.

Changes of one tenant's users wait for each other, so that of two owners who demote one another at once one remains.
"""

from api.dependencies.work import WriteContext
from api.modules.auth.repository import IdentityRepository
from api.modules.users.errors import AboveOwnRole, LastOwner
from api.modules.users.repository import UserRepository
from api.modules.users.transfer import OwnershipTransfer
from api.permissions import OWNER, ROLES
from api.records.service import require_version
from api.records.trail import Trail, Values
from bevyly.db.schema import User


def may_grant(own: str, role: str) -> bool:
    """Whether somebody with the role `own` may give or take `role`."""
    return ROLES.index(own) <= ROLES.index(role)


class UserService:
    """Users of one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.principal = context.principal
        self.trail = Trail(context)
        self.users = UserRepository(context.work.session, context.principal.customer_id)
        self.sessions = IdentityRepository(context.work.session, context.principal.customer_id)

    async def change_role(self, user_id: str, role: str, *, expected_version: int | None) -> User:
        """Another role, and the end of every session; raises `NotFound`, `AboveOwnRole` or `LastOwner`."""
        row = await self._held(user_id)
        require_version(row, expected_version)
        if row.role == role:
            return row
        if not may_grant(self.principal.role, role):
            raise AboveOwnRole(f"You cannot make somebody {role} who are {self.principal.role} yourself.")
        await self._require_other_owner(row)
        before, row.role = row.role, role
        await self._end_sessions(row)
        self._tell(row, "updated", {"role": before}, {"role": role})
        return row

    async def disable(self, user_id: str, *, transfer_to: str | None) -> tuple[User, int, int]:
        """The user, locked out, with how many records changed hands and how many are left.

        Raises `NotFound`, `AboveOwnRole`, `LastOwner` or `NotASuccessor`.
        """
        row = await self._held(user_id)
        transfer = OwnershipTransfer(self.context)
        if transfer_to is not None:
            await transfer.require_successor(row.id, transfer_to)
        if row.disabled_at is None:
            await self._require_other_owner(row)
            row.disabled_at = self.trail.now
            await self._end_sessions(row)
            self._tell(row, "disabled", {"disabled_at": None}, {"disabled_at": row.disabled_at})
        if transfer_to is None:
            return row, 0, await self.users.owned(row.id)
        moved, remaining = await transfer.give(row.id, transfer_to)
        return row, moved, remaining

    async def enable(self, user_id: str) -> User:
        """Let somebody in again; raises `NotFound` or `AboveOwnRole`."""
        row = await self._held(user_id)
        if row.disabled_at is not None:
            before, row.disabled_at = row.disabled_at, None
            row.version += 1
            self._tell(row, "enabled", {"disabled_at": before}, {"disabled_at": None})
        return row

    async def _held(self, user_id: str) -> User:
        await self.users.one_change_at_a_time()
        row = await self.users.lock(user_id)
        if not may_grant(self.principal.role, row.role):
            raise AboveOwnRole(f"You cannot change a user who is {row.role}.")
        return row

    async def _require_other_owner(self, row: User) -> None:
        if row.role == OWNER and row.disabled_at is None and await self.users.other_owners(row.id) == 0:
            raise LastOwner("This is the only owner. Make somebody else owner first.")

    async def _end_sessions(self, row: User) -> None:
        row.version += 1
        await self.sessions.session.flush()
        await self.sessions.revoke_user(row.id, self.trail.now)

    def _tell(self, row: User, action: str, before: Values, after: Values) -> None:
        subject = ("user", row.id)
        self.trail.audit(f"user.{action}", subject, before=before, after=after)
        said = {"updated": {"before": before, "after": after}, "disabled": after, "enabled": {}}[action]
        self.trail.emit(f"user.{action}", subject, sequence=row.version, data={"user_id": row.id} | said)
