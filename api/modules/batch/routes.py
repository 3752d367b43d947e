"""Batches over HTTP: one route for each kind of record."""

from collections import Counter

import orjson
from fastapi import APIRouter, Response

from api.dependencies.work import Write
from api.modules.batch.changes import Outcome, RowChange
from api.modules.batch.errors import BatchRefused
from api.modules.batch.kinds import KINDS, Kind
from api.modules.batch.schemas import Batch, RowsResult, change_of
from api.modules.batch.service import BatchService
from api.records.reads import JSON
from api.routing import RowsRoute, answers, costs, requires
from bevyly.errors import BevylyError

router = APIRouter(prefix="/api/v1", tags=["batch"], route_class=RowsRoute)


def _add(kind: Kind) -> None:
    @router.post(f"/{kind.plural}/batch", responses=answers(RowsResult, 409, 413), operation_id=f"batch_{kind.plural}")
    @requires(f"{kind.plural}:write")
    @costs("bulk")
    async def batch(body: Batch, context: Write) -> Response:
        """Create, update, upsert and delete up to 1,000 records in one call, each with a result of its own.

        A refused row leaves the others alone, unless the batch is `atomic`. To delete needs the permission for it.
        """
        return _answer(await _outcomes(body, kind, context), atomic=body.atomic)


async def _outcomes(body: Batch, kind: Kind, context: Write) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    changes: list[RowChange] = []
    for index, row in enumerate(body.rows):
        try:
            changes.append(change_of(index, row, kind))
        except BevylyError as error:
            outcomes[index] = Outcome(index, "refused", error=error)
    if not (body.atomic and outcomes):
        outcomes |= {outcome.index: outcome for outcome in await BatchService(context, kind).apply(changes)}
    return [outcomes[index] for index in sorted(outcomes)]


def _answer(outcomes: list[Outcome], *, atomic: bool) -> Response:
    refused = [outcome.document() for outcome in outcomes if outcome.status == "refused"]
    if atomic and refused:
        raise BatchRefused(f"{len(refused):,} rows are refused, so none took effect.", results=refused)
    counts = Counter(outcome.status for outcome in outcomes)
    document = {"counts": counts, "results": [outcome.document() for outcome in outcomes]}
    return Response(orjson.dumps(document), media_type=JSON)


for _kind in KINDS.values():
    _add(_kind)
