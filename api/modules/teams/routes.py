"""Teams over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.teams.schemas import Team, TeamChange, TeamCreate, TeamPage, TeamQuery
from api.modules.teams.service import TeamService
from api.records.reads import one, page, written
from api.routing import answers, area, problems, read, requires

router = area("/teams", "teams")


@read(router, "", TeamPage)
@requires("teams:read")
async def list_teams(request: Request, query: Annotated[TeamQuery, Query()]) -> Response:
    """Teams with their members, newest first."""
    return await page(request, "api_list_teams", query)


@read(router, "/{team_id}", Team, responses=problems(404))
@requires("teams:read")
async def get_team(request: Request, team_id: str) -> Response:
    """One team."""
    return await one(request, "api_get_team", team_id, kind="team")


@router.post("", status_code=201, responses=answers(Team, 404, 409, status=201))
@requires("teams:write")
async def create_team(body: TeamCreate, context: Write) -> Response:
    """A new team."""
    service = TeamService(context)
    row = await service.create(body.model_dump(exclude_unset=True))
    location = f"/api/v1/teams/{row.id}"
    return written(await service.teams.rendered(row.id), version=row.version, status=201, location=location)


@router.patch("/{team_id}", responses=answers(Team, 404, 409, 412))
@requires("teams:write")
async def update_team(team_id: str, body: TeamChange, context: Write, if_match: IfMatch) -> Response:
    """Rename a team, or say anew who is in it."""
    service = TeamService(context)
    row = await service.update(team_id, body.model_dump(exclude_unset=True), expected_version=if_match)
    return written(await service.teams.rendered(row.id), version=row.version)


@router.delete("/{team_id}", status_code=204, responses=problems(404, 412))
@requires("teams:write")
async def delete_team(team_id: str, context: Write, if_match: IfMatch) -> Response:
    """End a team; its members and their records stay."""
    await TeamService(context).delete(team_id, expected_version=if_match)
    return Response(status_code=204)
