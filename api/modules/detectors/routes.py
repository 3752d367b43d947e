"""Detectors over HTTP: the catalogue with its scoreboard, and a person's word about one."""

import orjson
from fastapi import Request, Response

from api.dependencies.work import Write
from api.modules.detectors.catalogue import described
from api.modules.detectors.schemas import Detector, DetectorChange, Detectors
from api.modules.detectors.service import DetectorService
from api.records.reads import JSON
from api.resources import resources_of
from api.routing import answers, area, read, requires

router = area("/intent", "intent")


@read(router, "/detectors", Detectors)
@requires("intent:read")
async def list_detectors(request: Request) -> Response:
    """Every detector: what it is, its lines in use, how often it was right here, whether it is muted and why."""
    row = await resources_of(request).reader.one("api_get_detectors", request.scope["state"]["principal"].customer_id)
    assert row is not None
    return Response(orjson.dumps({"data": list(described(orjson.loads(row[0])))}), media_type=JSON)


@router.patch("/detectors/{signal_type}", responses=answers(Detector, 404))
@requires("detectors:write")
async def change_detector(signal_type: str, body: DetectorChange, context: Write) -> Response:
    """Mute a detector, have it heard whatever its record says, or leave it to the rule again."""
    found = await DetectorService(context).change(signal_type, muted=body.muted, reason=body.reason)
    return Response(orjson.dumps(found), media_type=JSON)
