"""Statements about imports: the file in parts, refused rows, effects, and the claim of a run."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from api.modules.batch.changes import Outcome
from api.records.bulk import among
from api.records.repository import missing
from bevyly.db.schema import Import, ImportChunk, ImportEffect, ImportFailure, User
from bevyly.ids import is_id

CLAIM = """
    update imports set lease = %(lease)s, leased_until = %(until)s, attempts = attempts + 1
    where (customer_id, id) = (
      select customer_id, id from imports
      where status in ('queued', 'running', 'reverting') and (leased_until is null or leased_until < %(now)s)
      order by updated_at limit 1 for update skip locked
    )
    returning customer_id, id
"""
"""The import that waits longest, for one importer alone until its lease ends. Asked for all tenants at once."""


class ImportRepository:
    """Imports of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def lock(self, import_id: str) -> Import:
        """The import, held until the unit of work ends; raises `NotFound`."""
        statement = select(Import).where(Import.customer_id == self.customer_id, Import.id == import_id)
        row = await self.session.scalar(statement.with_for_update()) if is_id(import_id) else None
        if row is None:
            raise missing("import")
        return row

    async def claimed(self, import_id: str, lease: str) -> Import | None:
        """The import, held, if it is still under this lease."""
        statement = select(Import).where(
            Import.customer_id == self.customer_id, Import.id == import_id, Import.lease == lease
        )
        return await self.session.scalar(statement.with_for_update())

    async def add_chunk(self, import_id: str, number: int, content: bytes) -> None:
        """Store the next part of the file."""
        values = {"customer_id": self.customer_id, "import_id": import_id, "number": number, "content": content}
        await self.session.execute(insert(ImportChunk).values(values))

    async def chunks(self, import_id: str) -> AsyncIterator[bytes]:
        """The file, part by part."""
        number = 0
        while True:
            content = await self.session.get(ImportChunk, (self.customer_id, import_id, number))
            if content is None:
                return
            yield content.content
            self.session.expunge(content)
            number += 1

    async def forget_file(self, import_id: str) -> None:
        """Delete the parts of the file."""
        table = ImportChunk
        await self.session.execute(
            delete(table).where(table.customer_id == self.customer_id, table.import_id == import_id)
        )

    async def forget_failures(self, import_id: str) -> None:
        """Forget the refused rows of an earlier run."""
        table = ImportFailure
        await self.session.execute(
            delete(table).where(table.customer_id == self.customer_id, table.import_id == import_id)
        )

    async def add_failures(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep refused rows."""
        if rows:
            await self.session.execute(insert(ImportFailure), list(rows))

    async def add_effects(self, import_id: str, outcomes: Sequence[Outcome]) -> None:
        """Keep what was done to records: one row a record, from what it was before the first change of this import."""
        effects: dict[str, dict[str, Any]] = {}
        for outcome in outcomes:
            if outcome.id is None or outcome.status not in ("created", "updated"):
                continue
            earlier = effects.get(outcome.id)
            effects[outcome.id] = {
                "customer_id": self.customer_id,
                "import_id": import_id,
                "record_id": outcome.id,
                "row_number": earlier["row_number"] if earlier else outcome.index,
                "action": earlier["action"] if earlier else outcome.status,
                "version": outcome.version,
                "before": outcome.before | (earlier["before"] if earlier else {}),
                "after": (earlier["after"] if earlier else {}) | (outcome.after if outcome.status == "updated" else {}),
            }
        if effects:
            statement = upsert(ImportEffect)
            new, old = statement.excluded, ImportEffect
            changes = {
                "version": new.version,
                "before": new.before.op("||")(old.before),
                "after": old.after.op("||")(new.after),
            }
            keys = ["customer_id", "import_id", "record_id"]
            conflict = statement.on_conflict_do_update(index_elements=keys, set_=changes)
            await self.session.execute(conflict, list(effects.values()))

    async def effects(self, import_id: str, count: int) -> Sequence[ImportEffect]:
        """The next effects to take back, the last rows first."""
        table = ImportEffect
        statement = (
            select(table)
            .where(table.customer_id == self.customer_id, table.import_id == import_id, table.outcome.is_(None))
            .order_by(table.row_number.desc(), table.record_id)
            .limit(count)
        )
        return (await self.session.scalars(statement)).all()

    async def set_outcomes(self, import_id: str, outcome: str, record_ids: Sequence[str]) -> None:
        """Note how taking back went."""
        table = ImportEffect
        await self.session.execute(
            update(table)
            .where(
                table.customer_id == self.customer_id,
                table.import_id == import_id,
                among(table.record_id, record_ids),
            )
            .values(outcome=outcome)
            .execution_options(synchronize_session=False)
        )

    async def visible_owners(self, import_id: str) -> str:
        """Whose records the user of an import sees (`bevyly.db.scope`)."""
        table = Import
        statement = select(func.api_get_visible_owners(table.customer_id, table.created_by)).where(
            table.customer_id == self.customer_id, table.id == import_id
        )
        return str(await self.session.scalar(statement))

    async def user(self, user_id: str) -> User | None:
        """A user who may still come in."""
        statement = select(User).where(
            User.customer_id == self.customer_id, User.id == user_id, User.disabled_at.is_(None)
        )
        return await self.session.scalar(statement)
