"""One's own profile over HTTP. Which permissions a credential has is said by `/auth/me`."""

from fastapi import Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.profile.schemas import Profile, ProfileChange
from api.modules.profile.service import ProfileService
from api.records.reads import one, written
from api.routing import answers, area, read, requires

router = area("/me", "profile")


@read(router, "", Profile)
@requires("profile:read")
async def get_profile(request: Request) -> Response:
    """My profile."""
    return await one(request, "api_get_profile", request.scope["state"]["principal"].user_id, kind="user")


@router.patch("", responses=answers(Profile, 412))
@requires("profile:write")
async def update_profile(body: ProfileChange, context: Write, if_match: IfMatch) -> Response:
    """Change my profile; the next briefing keeps to my attention budget."""
    service = ProfileService(context)
    row = await service.update(body.model_dump(exclude_unset=True), expected_version=if_match)
    return written(await service.rendered(), version=row.version)
