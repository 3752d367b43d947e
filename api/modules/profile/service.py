"""What one may change of oneself."""

from sqlalchemy import func, literal_column, select

from api.dependencies.work import WriteContext
from api.modules.users.repository import UserRepository
from api.records.service import require_version
from api.records.trail import Trail, Values
from bevyly.db.schema import User

TOLD = ("name",)
"""What others see of a user; the rest is nobody else's business and is no event."""


class ProfileService:
    """The profile of the one who asks."""

    def __init__(self, context: WriteContext) -> None:
        self.principal = context.principal
        self.session = context.work.session
        self.trail = Trail(context)
        self.users = UserRepository(self.session, self.principal.customer_id)

    async def update(self, changes: Values, *, expected_version: int | None) -> User:
        """Change fields of one's own; the same again changes nothing."""
        row = await self.users.lock(self.principal.user_id)
        require_version(row, expected_version)
        before = {name: getattr(row, name) for name in changes}
        after = {name: value for name, value in changes.items() if value != before[name]}
        if not after:
            return row
        for name, value in after.items():
            setattr(row, name, value)
        row.version += 1
        before, subject = {name: before[name] for name in after}, ("user", row.id)
        self.trail.audit("user.updated", subject, before=before, after=after)
        told = [name for name in TOLD if name in after]
        if told:
            data = {"before": {name: before[name] for name in told}, "after": {name: after[name] for name in told}}
            self.trail.emit("user.updated", subject, sequence=row.version, data={"user_id": row.id} | data)
        return row

    async def rendered(self) -> bytes:
        """The profile as every read answers it."""
        await self.session.flush()
        function = func.api_get_profile(self.principal.customer_id, self.principal.user_id)
        return str(await self.session.scalar(select(literal_column("body")).select_from(function))).encode()
