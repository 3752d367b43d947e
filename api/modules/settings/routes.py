"""Settings of the tenant over HTTP."""

from fastapi import Request, Response

from api.dependencies.work import IfMatch, Write
from api.modules.settings.schemas import Settings, SettingsChange
from api.modules.settings.service import SettingsService
from api.records.reads import one, written
from api.routing import answers, area, read, requires

router = area("/settings", "settings")


@read(router, "", Settings)
@requires("settings:read")
async def get_settings(request: Request) -> Response:
    """The settings of my tenant."""
    customer_id = request.scope["state"]["principal"].customer_id
    return await one(request, "api_get_settings", customer_id, kind="settings")


@router.patch("", responses=answers(Settings, 412))
@requires("settings:write")
async def update_settings(body: SettingsChange, context: Write, if_match: IfMatch) -> Response:
    """Change settings. Visibility counts within half a minute, thresholds and budget from the next pass."""
    service = SettingsService(context)
    row = await service.update(body.model_dump(exclude_unset=True), expected_version=if_match)
    return written(await service.settings.rendered(), version=row.version)
