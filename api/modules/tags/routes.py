"""Tags over HTTP: how often each is used, and changes of one on all records. Records get theirs by their own routes."""

from fastapi import Request, Response

from api.dependencies.principal import Principal
from api.dependencies.work import Write
from api.modules.events.kinds import PLURALS
from api.modules.tags.schemas import TagList, TagProgress, TagRemoval, TagRename
from api.modules.tags.service import TagService
from api.records.reads import JSON
from api.resources import resources_of
from api.routing import answers, area, read, requires

router = area("/tags", "tags")


@read(router, "", TagList)
@requires("tags:read")
async def list_tags(request: Request) -> Response:
    """Tags of the records that you may read, the most used first."""
    principal: Principal = request.scope["state"]["principal"]
    kinds = [kind for kind, plural in PLURALS.items() if f"{plural}:read" in principal.permissions]
    row = await resources_of(request).reader.one("api_list_tags", principal.customer_id, kinds)
    assert row is not None
    return Response(f'{{"data":[{row[0]}]}}', media_type=JSON)


@router.post("/rename", responses=answers(TagProgress))
@requires("tags:write")
async def rename_tag(body: TagRename, context: Write) -> TagProgress:
    """Rename a tag on up to 200 records, each with its audit row and its event; call again while there are more."""
    changed, more = await TagService(context).replace(body.tag, body.to)
    return TagProgress(changed=changed, more=more)


@router.post("/delete", responses=answers(TagProgress))
@requires("tags:write")
async def delete_tag(body: TagRemoval, context: Write) -> TagProgress:
    """Take a tag from up to 200 records, each with its audit row and its event; call again while there are more."""
    changed, more = await TagService(context).replace(body.tag, None)
    return TagProgress(changed=changed, more=more)
