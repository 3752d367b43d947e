"""The file of an export on its way out: noted in the audit before the first byte, in parts as it is kept."""

from collections.abc import AsyncIterator

from psycopg.sql import SQL

from api.dependencies.principal import Principal
from api.dependencies.work import WriteContext
from api.records.trail import Trail
from api.resources import Resources
from bevyly.db.unit_of_work import unit_of_work

_PARTS = SQL("select content from privacy_files where customer_id = %s and request_id = %s order by number")


async def file_of(
    resources: Resources, principal: Principal, request_id: str, *, under: str | None
) -> AsyncIterator[bytes]:
    """The parts of the file of a request; `under` is the id of the HTTP request."""
    customer_id = principal.customer_id
    async with unit_of_work(resources.engine, customer_id) as work:
        trail = Trail(WriteContext(work, principal, resources.clock, under))
        trail.audit("privacy_request.downloaded", ("privacy_request", request_id))
    async for rows in resources.streams.rows(customer_id, _PARTS, (customer_id, request_id), batch=1):
        for row in rows:
            yield row[0]
