"""Statements of the ingest of events, beside those of every change of many records at once."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from api.modules.events.kept import Followed, Kept, values_of
from api.records.bulk import BulkRepository, among
from api.records.held import Batch
from bevyly.db.schema import InboundEvent, InboundRecord

_EVENTS: Any = InboundEvent.__table__
_RECORDS: Any = InboundRecord.__table__


class IngestRepository(BulkRepository):
    """Inbound events and the records they are about, for one tenant."""

    async def events(self, keys: set[str]) -> dict[str, Kept]:
        """Events that were dealt with before, by their key."""
        return {row["id"]: Kept(**row) for row in await self._kept(InboundEvent, Kept, keys)}

    async def followed(self, record_ids: set[str]) -> dict[str, Followed]:
        """How far records were followed, by their id."""
        return {row["id"]: Followed(**row) for row in await self._kept(InboundRecord, Followed, record_ids)}

    async def write(self, batch: Batch, events: Sequence[Kept], followed: Iterable[Followed]) -> None:
        """Everything that the batch holds, and what is kept of its events."""
        await self.write_records(batch)
        kept = [values_of(event, self.customer_id) for event in sorted(events, key=lambda event: event.id)]
        if kept:
            await self.session.execute(insert(_EVENTS), kept)
        await self._follow(sorted(followed, key=lambda row: row.id))

    async def _follow(self, rows: Sequence[Followed]) -> None:
        if not rows:
            return
        statement = upsert(_RECORDS)
        changes = {name: statement.excluded[name] for name in ("source_time", "version")}
        conflict = statement.on_conflict_do_update(index_elements=["customer_id", "id"], set_=changes)
        await self.session.execute(conflict, [values_of(row, self.customer_id) for row in rows])

    async def _kept(self, table: Any, shape: type[Any], ids: set[str]) -> Sequence[Any]:
        columns = [getattr(table, one.name) for one in fields(shape)]
        statement = select(*columns).where(table.customer_id == self.customer_id, among(table.id, ids))
        return (await self.session.execute(statement)).mappings().all()
