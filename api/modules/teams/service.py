"""What may be done with teams. Whose records a user sees follows from them within half a minute."""

from typing import Any

from api.dependencies.work import WriteContext
from api.modules.teams.repository import TeamRepository
from api.records.service import require_version
from api.records.trail import Trail, Values
from bevyly.db.schema import Team
from bevyly.errors import Conflict
from bevyly.ids import new_id

MAX_TEAMS = 500


class TooManyTeams(Conflict):
    """A tenant has as many teams as it may have."""

    code = "too_many_teams"


class TeamService:
    """Teams of one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.customer_id = context.principal.customer_id
        self.session = context.work.session
        self.trail = Trail(context)
        self.teams = TeamRepository(self.session, self.customer_id)

    async def create(self, values: Values) -> Team:
        """A new team; raises `TooManyTeams`."""
        if await self.teams.count() >= MAX_TEAMS:
            raise TooManyTeams(f"There are {MAX_TEAMS} teams already; that is as many as there may be.")
        now, members = self.trail.now, _by_user(values.get("members", []))
        row = Team(
            customer_id=self.customer_id, id=new_id(), name=values["name"], version=1, created_at=now, updated_at=now
        )
        self.session.add(row)
        await self.teams.set_members(row.id, members)
        self.trail.audit("team.created", ("team", row.id), after={"name": row.name, "members": members})
        return row

    async def update(self, team_id: str, changes: Values, *, expected_version: int | None) -> Team:
        """Another name or other members; the same again changes nothing."""
        row = await self.teams.lock(team_id)
        require_version(row, expected_version)
        before: Values = {"name": row.name, "members": await self.teams.members(row.id)}
        wanted = changes | ({"members": _by_user(changes["members"])} if "members" in changes else {})
        after = {name: value for name, value in wanted.items() if value != before[name]}
        if not after:
            return row
        row.name = after.get("name", row.name)
        row.version += 1
        row.updated_at = self.trail.now
        if "members" in after:
            await self.teams.set_members(row.id, after["members"])
        changed = {name: before[name] for name in after}
        self.trail.audit("team.updated", ("team", row.id), before=changed, after=after)
        return row

    async def delete(self, team_id: str, *, expected_version: int | None) -> None:
        """End a team; its members stay."""
        row = await self.teams.lock(team_id)
        require_version(row, expected_version)
        before = {"name": row.name, "members": await self.teams.members(row.id)}
        self.trail.audit("team.deleted", ("team", row.id), before=before)
        await self.session.delete(row)


def _by_user(members: list[dict[str, Any]]) -> dict[str, bool]:
    return {member["user_id"]: member.get("lead", False) for member in members}
