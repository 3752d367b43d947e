"""Files of records: streamed as they are read, and noted in the audit before the first and after the last row."""

from collections.abc import AsyncIterator
from typing import Any

from api.dependencies.principal import Principal
from api.dependencies.work import WriteContext
from api.modules.exports.own import OwnField
from api.modules.exports.parquet import parquet, schema_of
from api.modules.exports.schemas import ExportQuery
from api.modules.exports.tables import EXPORTS, statement
from api.records.trail import Trail, Values
from api.resources import Resources
from bevyly.db.unit_of_work import unit_of_work
from bevyly.ids import new_id

BOM = b"\xef\xbb\xbf"


class ExportService:
    """One file for one person."""

    def __init__(self, resources: Resources, principal: Principal, request_id: str | None) -> None:
        self._resources = resources
        self._principal = principal
        self._request_id = request_id
        self._id = new_id()
        self._rows = 0

    async def csv(self, name: str, query: ExportQuery, *, bom: bool) -> AsyncIterator[bytes]:
        """Lines of a CSV file."""
        await self._note("started", name, query)
        parameters = self._parameters(query)
        rows = statement(EXPORTS[name], await self._own(name), spreadsheet=True)
        if bom:
            yield BOM
        async for block in self._resources.streams.csv(
            self._principal.customer_id, rows, parameters, count=self._count
        ):
            yield block
        await self._note("finished", name, query)

    async def parquet(self, name: str, query: ExportQuery) -> AsyncIterator[bytes]:
        """Bytes of a Parquet file."""
        await self._note("started", name, query)
        rows = statement(EXPORTS[name], await self._own(name), spreadsheet=False)
        parameters, customer_id = self._parameters(query), self._principal.customer_id
        types = await self._resources.streams.types(customer_id, rows, parameters)
        async for part in parquet(schema_of(types), self._counted(rows, parameters)):
            yield part
        await self._note("finished", name, query)

    async def _own(self, name: str) -> list[OwnField]:
        """Fields of the tenant's own that are not archived."""
        kind = EXPORTS[name].entity
        if kind is None:
            return []
        found = await self._resources.reader.one("api_find_custom_fields", self._principal.customer_id, kind, None)
        assert found is not None
        return [OwnField(one["key"], one["type"]) for one in found[0] if not one["archived"]]

    async def _counted(self, rows: Any, parameters: list[Any]) -> AsyncIterator[list[tuple[Any, ...]]]:
        async for group in self._resources.streams.rows(self._principal.customer_id, rows, parameters):
            self._rows += len(group)
            yield group

    def _count(self, rows: int) -> None:
        self._rows += rows

    def _parameters(self, query: ExportQuery) -> list[Any]:
        filters = (query.owner_id, query.status, query.updated_since)
        return [self._principal.customer_id, *(value for value in filters for _ in range(2))]

    async def _note(self, action: str, name: str, query: ExportQuery) -> None:
        after: Values = {"kind": name, "query": query.model_dump(mode="json", exclude_none=True)}
        if action == "finished":
            after["rows"] = self._rows
        resources = self._resources
        async with unit_of_work(resources.engine, self._principal.customer_id) as work:
            context = WriteContext(work, self._principal, resources.clock, self._request_id)
            Trail(context).audit(f"export.{action}", ("export", self._id), after=after)
