"""Statements of many changes at once: what a batch must know, in one statement a question, and how it is written.

Records are locked before anything is read about them, and locked and inserted in one order everywhere (kind, then id):
two batches with the same records wait for each other instead of blocking each other.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    String,
    Text,
    bindparam,
    column,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from api.records.held import AnyRecord, Batch, Interval, columns_of
from api.records.repository import MERGEABLE
from api.records.trail import Values
from bevyly.db.schema import (
    Account,
    Activity,
    ActivityParticipant,
    AuditEntry,
    Contact,
    Lead,
    Opportunity,
    OpportunityChange,
    User,
)
from bevyly.db.schema.base import Base

# Parents before children: in this order records are locked and written.
TABLES: dict[str, type[AnyRecord]] = {
    "account": Account,
    "contact": Contact,
    "lead": Lead,
    "opportunity": Opportunity,
    "activity": Activity,
}
_RANKS = {kind: rank for rank, kind in enumerate(TABLES)}
_AFTER_RECORDS: tuple[type[Base], ...] = (OpportunityChange, ActivityParticipant, AuditEntry)
_LOCK_TIMEOUT = text("select set_config('lock_timeout', '8s', true)")


class BulkRepository:
    """Records of one tenant, many at once."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def be_patient(self) -> None:
        """Wait longer for the rows of another batch than a person's request would."""
        await self.session.execute(_LOCK_TIMEOUT)

    async def lock_records(self, ids: dict[str, set[str]]) -> list[AnyRecord]:
        """Records by kind, deleted ones too, held until the unit of work ends."""
        found: list[AnyRecord] = []
        for kind in sorted(ids, key=_RANKS.__getitem__):
            table = TABLES[kind]
            statement = (
                select(table)
                .where(table.customer_id == self.customer_id, among(table.id, ids[kind]))
                .order_by(table.id)
                .with_for_update(key_share=True)
                .execution_options(populate_existing=True)
            )
            found.extend(await self.session.scalars(statement))
        for row in found:
            self.session.expunge(row)
        return found

    async def participants(self, activity_ids: set[str]) -> dict[str, list[Values]]:
        """Who took part in activities."""
        table = ActivityParticipant
        rows = await self.session.execute(
            select(table.activity_id, table.contact_id, table.email, table.role)
            .where(table.customer_id == self.customer_id, among(table.activity_id, activity_ids))
            .order_by(table.id)
        )
        found: dict[str, list[Values]] = {}
        for row in rows.mappings():
            person = dict(row)
            found.setdefault(person.pop("activity_id"), []).append(person)
        return found

    async def existing(self, kind: str, ids: set[str]) -> dict[str, str]:
        """Which of `ids` are records of `kind`, deleted or not, and who stands for each; none is merged meanwhile."""
        table: Any = TABLES[kind]
        stands = func.coalesce(table.merged_into, table.id) if kind in MERGEABLE else table.id
        statement = (
            select(table.id, stands.label("stands"))
            .where(table.customer_id == self.customer_id, among(table.id, ids))
            .order_by(table.id)
            .with_for_update(read=True, key_share=True)
        )
        return {row.id: row.stands for row in await self.session.execute(statement)}

    async def taken(self, kind: str, external_ids: set[str]) -> set[str]:
        """Which external ids other records of `kind` have."""
        table = TABLES[kind]
        statement = select(table.external_id).where(
            table.customer_id == self.customer_id, among(table.external_id, external_ids)
        )
        return {found for found in await self.session.scalars(statement) if found is not None}

    async def owners(self, names: set[str]) -> dict[str, str]:
        """Ids of users by what a sender may call them: our id, their email, their id in the other system."""
        lowered = {name.lower() for name in names}
        rows = await self.session.execute(
            select(User.id, User.email, User.external_id)
            .where(
                User.customer_id == self.customer_id,
                or_(among(User.id, names), among(User.email, lowered), among(User.external_id, names)),
            )
            .order_by(User.id)
        )
        known: dict[str, str] = {}
        for user_id, email, external_id in rows:
            known |= {external_id: user_id} if external_id else {}
            known |= {email: user_id, user_id: user_id}
        return {name: known[key] for name in names for key in (name, name.lower()) if key in known}

    async def write_records(self, batch: Batch) -> None:
        """Everything that the batch holds: parents before children, each table in the order of its keys."""
        new = [row for row in batch.work.held.rows if isinstance(row, tuple(TABLES.values()))]
        for table in TABLES.values():
            await self._insert(table, [row for row in new if isinstance(row, table)])
        await self._update(batch)
        opened = await self._end_intervals(batch.history)
        others = [row for row in batch.work.held.rows if isinstance(row, _AFTER_RECORDS)] + opened
        for after in _AFTER_RECORDS:
            await self._insert(after, [row for row in others if isinstance(row, after)])

    async def _end_intervals(self, history: Sequence[OpportunityChange | Interval]) -> list[Base]:
        """End what ends, in the database and among the rows that the batch opens; returns those rows."""
        opened: dict[tuple[str, str], OpportunityChange] = {}
        rows: list[Base] = []
        ended: list[Interval] = []
        for step in history:
            key = (step.opportunity_id, step.field)
            if isinstance(step, OpportunityChange):
                opened[key] = step
                rows.append(step)
            elif key in opened:
                opened[key].valid_to = step.valid_to
            else:
                ended.append(step)
        if ended:
            await self._close(ended)
        return rows

    async def _close(self, ended: Sequence[Interval]) -> None:
        lists = (
            literal([one.opportunity_id for one in ended], ARRAY(String)),
            literal([one.field for one in ended], ARRAY(String)),
            literal([one.valid_to for one in ended], ARRAY(DateTime(timezone=True))),
        )
        names = (column("opportunity_id", String), column("field", String), column("valid_to", DateTime(timezone=True)))
        end = func.unnest(*lists).table_valued(*names, name="ended").render_derived()
        table = OpportunityChange
        await self.session.execute(
            update(table)
            .where(
                table.customer_id == self.customer_id,
                table.opportunity_id == end.c.opportunity_id,
                table.field == end.c.field,
                table.valid_to.is_(None),
            )
            .values(valid_to=end.c.valid_to)
            .execution_options(synchronize_session=False)
        )

    async def _insert(self, table: type[Base], rows: Sequence[Any]) -> None:
        if rows:
            values = [columns_of(row) for row in sorted(rows, key=lambda row: str(row.id))]
            await self.session.execute(insert(table.__table__), values)  # type: ignore[arg-type]  # typed as FromClause

    async def _update(self, batch: Batch) -> None:
        """Records of the database that changed: one statement for all with the same changed columns."""
        alike: dict[tuple[type[AnyRecord], tuple[str, ...]], list[Values]] = {}
        for row in batch.changed():
            before = batch.loaded[row.id]
            values = {name: value for name, value in columns_of(row).items() if value != before[name]}
            keys = {"of_customer": self.customer_id, "of_record": row.id}
            alike.setdefault((type(row), tuple(values)), []).append(keys | values)
        for (table, names), rows in alike.items():
            columns: Any = table.__table__.c
            this = (columns.customer_id == bindparam("of_customer"), columns.id == bindparam("of_record"))
            changes: dict[str, Any] = {name: bindparam(name) for name in names}
            await self.session.execute(update(columns.id.table).where(*this).values(changes), rows)


def among(value: ColumnElement[Any] | InstrumentedAttribute[Any], wanted: Iterable[str]) -> ColumnElement[bool]:
    """`value` is one of `wanted`: one parameter, however many they are."""
    return value.bool_op("=")(func.any(literal(sorted(wanted), ARRAY(Text))))
