"""The answer to a new record: it is stored, compared with others, told of and shown on one round trip."""

from fastapi import Response

from api.modules.duplicates.service import Duplicates
from api.records.reads import written
from api.records.repository import Record
from api.records.service import RecordService


async def created(service: RecordService[Record], row: Record, duplicates: Duplicates | None = None) -> Response:
    """`row`, which `service` made; raises `PossibleDuplicate` where `duplicates` are refused and it is one."""
    compared = duplicates is not None and duplicates.matter(service.written)
    sure, body = await service.records.told(row.id, compared=compared)
    if sure and duplicates is not None:
        await duplicates.refuse_likely(row.id)
    location = f"/api/v1/{service.table.__tablename__}/{row.id}"
    return written(body, version=row.version, status=201, location=location)
