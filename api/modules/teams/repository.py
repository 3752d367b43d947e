"""Statements about teams of one tenant."""

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.records.repository import missing, rendered
from bevyly.db.schema import Team, TeamMember
from bevyly.ids import is_id


class TeamRepository:
    """Teams and their members."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def count(self) -> int:
        """How many teams there are, counted alone: another count waits until this unit of work ends."""
        lock = func.pg_advisory_xact_lock(func.hashtextextended(f"teams:{self.customer_id}", 0))
        await self.session.execute(select(lock))
        return await self.session.scalar(select(func.count()).where(Team.customer_id == self.customer_id)) or 0

    async def lock(self, team_id: str) -> Team:
        """The team, held until the unit of work ends; raises `NotFound`."""
        statement = select(Team).where(Team.customer_id == self.customer_id, Team.id == team_id)
        row = await self.session.scalar(statement.with_for_update()) if is_id(team_id) else None
        if row is None:
            raise missing("team")
        return row

    async def members(self, team_id: str) -> dict[str, bool]:
        """Who is in a team, and whether as a lead."""
        statement = (
            select(TeamMember.user_id, TeamMember.lead)
            .where(TeamMember.customer_id == self.customer_id, TeamMember.team_id == team_id)
            .order_by(TeamMember.user_id)
        )
        return {row[0]: row[1] for row in await self.session.execute(statement)}

    async def set_members(self, team_id: str, members: dict[str, bool]) -> None:
        """Exactly these are in the team from now on."""
        await self.session.flush()
        await self.session.execute(
            delete(TeamMember)
            .where(TeamMember.customer_id == self.customer_id, TeamMember.team_id == team_id)
            .execution_options(synchronize_session=False)
        )
        self.session.add_all(
            TeamMember(customer_id=self.customer_id, team_id=team_id, user_id=user_id, lead=lead)
            for user_id, lead in sorted(members.items())
        )
        await self.session.flush()

    async def rendered(self, team_id: str) -> bytes:
        """The team as every read answers it."""
        return await rendered(self.session, "team", self.customer_id, team_id)
