"""Statements about invitations of one tenant, and about who comes by one."""

from datetime import datetime

from sqlalchemy import func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.records.repository import missing
from bevyly.db.schema import Customer, Invitation, TeamMember, User
from bevyly.ids import is_id


class InvitationRepository:
    """Invitations of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def pending(self) -> int:
        """How many invitations are open, counted alone: another count waits until this unit of work ends."""
        lock = func.pg_advisory_xact_lock(func.hashtextextended(f"invitations:{self.customer_id}", 0))
        await self.session.execute(select(lock))
        statement = select(func.count()).where(
            Invitation.customer_id == self.customer_id,
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
        )
        return await self.session.scalar(statement) or 0

    async def lock(self, invitation_id: str) -> Invitation:
        """The invitation, held until the unit of work ends; raises `NotFound`."""
        statement = select(Invitation).where(Invitation.customer_id == self.customer_id, Invitation.id == invitation_id)
        row = await self.session.scalar(statement.with_for_update()) if is_id(invitation_id) else None
        if row is None:
            raise missing("invitation")
        return row

    async def open(self, token_hash: str, now: datetime) -> Invitation | None:
        """The invitation of a token that may be used now."""
        statement = select(Invitation).where(
            Invitation.customer_id == self.customer_id,
            Invitation.token_hash == token_hash,
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
            Invitation.expires_at > now,
        )
        return await self.session.scalar(statement)

    async def take(self, token_hash: str, now: datetime) -> Invitation | None:
        """Mark the invitation as accepted; of many callers exactly one gets it."""
        statement = (
            update(Invitation)
            .where(
                Invitation.customer_id == self.customer_id,
                Invitation.token_hash == token_hash,
                Invitation.accepted_at.is_(None),
                Invitation.revoked_at.is_(None),
                Invitation.expires_at > now,
            )
            .values(accepted_at=now)
            .returning(Invitation)
        )
        return await self.session.scalar(statement)

    async def user(self, email: str) -> User | None:
        """Whoever has this email, held until the unit of work ends."""
        statement = select(User).where(User.customer_id == self.customer_id, User.email == email)
        return await self.session.scalar(statement.with_for_update())

    async def join(self, team_id: str, user_id: str) -> None:
        """Put a user into a team, where they are not."""
        statement = insert(TeamMember).values(
            customer_id=self.customer_id, team_id=team_id, user_id=user_id, lead=False
        )
        await self.session.execute(statement.on_conflict_do_nothing())

    async def company(self) -> str:
        """What the tenant is called."""
        return (await self.session.scalars(select(Customer.name).where(Customer.id == self.customer_id))).one()

    async def rendered(self, invitation_id: str) -> bytes:
        """The invitation as its list answers it."""
        await self.session.flush()
        function = func.api_get_invitation(self.customer_id, invitation_id)
        return str(await self.session.scalar(select(literal_column("body")).select_from(function))).encode()
