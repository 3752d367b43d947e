"""Statements about users of one tenant and what they own."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.permissions import OWNER
from api.records.repository import missing
from bevyly.db.schema import Account, Contact, Lead, Opportunity, User
from bevyly.ids import is_id

OWNED: dict[str, type[Account] | type[Contact] | type[Opportunity] | type[Lead]] = {
    "account": Account,
    "contact": Contact,
    "opportunity": Opportunity,
    "lead": Lead,
}
"""What changes hands. Activities do not: they tell who did something, and stay with whoever did it."""


class UserRepository:
    """Users of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def one_change_at_a_time(self) -> None:
        """Wait for other changes to who may do what, so that two of them cannot each rely on the other's owner."""
        key = func.pg_advisory_xact_lock(func.hashtextextended(f"owners:{self.customer_id}", 0))
        await self.session.execute(select(key))

    async def lock(self, user_id: str) -> User:
        """The user, held until the unit of work ends; raises `NotFound`."""
        statement = select(User).where(User.customer_id == self.customer_id, User.id == user_id)
        row = await self.session.scalar(statement.with_for_update()) if is_id(user_id) else None
        if row is None:
            raise missing("user")
        return row

    async def is_active(self, user_id: str) -> bool | None:
        """Whether a user may come in, held so; None where there is no such user."""
        statement = select(User.disabled_at).where(User.customer_id == self.customer_id, User.id == user_id)
        found = (await self.session.execute(statement.with_for_update(read=True))).first()
        return None if found is None else found[0] is None

    async def other_owners(self, user_id: str) -> int:
        """How many owners may come in besides this user."""
        statement = select(func.count()).where(
            User.customer_id == self.customer_id, User.id != user_id, User.role == OWNER, User.disabled_at.is_(None)
        )
        return await self.session.scalar(statement) or 0

    async def give(self, kind: str, owner_id: str, to: str, *, limit: int, now: datetime) -> Sequence[tuple[str, int]]:
        """Give at most `limit` records of `kind` to another owner; their ids and new versions, ordered by id."""
        table = OWNED[kind]
        chosen = (
            select(table.id)
            .where(table.customer_id == self.customer_id, table.owner_id == owner_id, table.deleted_at.is_(None))
            .order_by(table.id)
            .limit(limit)
            .with_for_update()
            .cte("chosen")  # chosen once: a subquery may be asked again for each row, and find others by then
        )
        statement = (
            update(table)
            .where(table.customer_id == self.customer_id, table.id.in_(select(chosen.c.id)))
            .values(owner_id=to, version=table.version + 1, updated_at=now)
            .returning(table.id, table.version)
            .execution_options(synchronize_session=False)
        )
        moved = [(row[0], row[1]) for row in await self.session.execute(statement)]
        return sorted(moved)

    async def owned(self, owner_id: str) -> int:
        """How many records a user owns."""
        total = 0
        for table in OWNED.values():
            statement = select(func.count()).where(
                table.customer_id == self.customer_id, table.owner_id == owner_id, table.deleted_at.is_(None)
            )
            total += await self.session.scalar(statement) or 0
        return total

    async def rendered(self, user_id: str) -> bytes:
        """The user as every read answers it."""
        await self.session.flush()
        function = func.api_get_colleague(self.customer_id, user_id)
        return str(await self.session.scalar(select(literal_column("body")).select_from(function))).encode()
