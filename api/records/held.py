"""A batch in memory: what services add, change and tell is held here, and written in a few statements at its end.

Services work on it as they work on a session. A row that fails is taken back without asking the database.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession

from api.modules.activities.repository import ParticipantRepository
from api.modules.opportunities.repository import HistoryRepository
from api.records.repository import RecordRepository, missing
from api.records.trail import Values
from bevyly.db.rows import complete
from bevyly.db.schema import Account, Activity, Contact, Lead, Opportunity, OpportunityChange
from bevyly.db.schema.base import Base
from bevyly.db.unit_of_work import UnitOfWork

AnyRecord = Account | Contact | Lead | Opportunity | Activity


class HeldSession:
    """The part of a session that services use: new rows are held, statements go to the real one."""

    def __init__(self, real: AsyncSession) -> None:
        self.rows: list[Base] = []
        self.scalar, self.scalars, self.execute = real.scalar, real.scalars, real.execute
        self.info = real.info

    def add(self, row: Base) -> None:
        self.rows.append(row)

    def add_all(self, rows: Iterable[Base]) -> None:
        self.rows.extend(rows)

    async def flush(self) -> None:
        """Nothing: the batch is written as a whole."""


class HeldWork(UnitOfWork):
    """A unit of work whose events can be taken back."""

    def __init__(self, real: AsyncSession, customer_id: str) -> None:
        self.held = HeldSession(real)
        super().__init__(cast(AsyncSession, self.held), customer_id)

    async def insert(self, row: Base) -> None:
        complete(row)
        self.held.add(row)

    def note(self, table: type[Base], **values: Any) -> None:
        self.held.add(table(**values))


@dataclass
class Interval:
    """The end of a value of an opportunity, before which the row in the database is left as it is."""

    opportunity_id: str
    field: str
    valid_to: datetime


@dataclass
class Batch:
    """Records by id as they are now, and everything that the batch added."""

    work: HeldWork
    records: dict[str, AnyRecord] = field(default_factory=dict)
    loaded: dict[str, Values] = field(default_factory=dict)
    """Columns of the records that the database has, as it has them."""
    participants: dict[str, list[Values]] = field(default_factory=dict)
    history: list[OpportunityChange | Interval] = field(default_factory=list)

    def load(self, rows: Iterable[AnyRecord]) -> None:
        """Take in records that the database has."""
        for row in rows:
            self.records[row.id] = row
            self.loaded[row.id] = columns_of(row)

    def mark(self, record_id: str) -> "Mark":
        """Where the batch stands before a row is applied to a record."""
        row = self.records.get(record_id)
        counts = (len(self.work.held.rows), len(self.work.events), len(self.history))
        return Mark(record_id, columns_of(row) if row is not None else None, counts)

    def take_back(self, mark: "Mark") -> None:
        """Forget what was done since `mark`."""
        rows, events, history = mark.counts
        del self.work.held.rows[rows:]
        del self.work.events[events:]
        del self.history[history:]
        if mark.columns is None:
            self.records.pop(mark.record_id, None)
            return
        row = self.records[mark.record_id]
        for name, value in mark.columns.items():
            setattr(row, name, value)

    def forget_additions(self) -> None:
        """Forget new rows, events and history, and keep the records as they are: for what shall not be written."""
        self.work.held.rows.clear()
        self.work.events.clear()
        self.history.clear()

    def changed(self) -> list[AnyRecord]:
        """Records of the database that are no longer what it has."""
        return [self.records[id_] for id_, columns in self.loaded.items() if columns_of(self.records[id_]) != columns]


@dataclass(frozen=True, slots=True)
class Mark:
    """The state of a batch, and of the one record that the next row may change."""

    record_id: str
    columns: Values | None
    counts: tuple[int, int, int]


class HeldRecords(RecordRepository[Any]):
    """Records that the batch has locked or made."""

    def __init__(self, batch: Batch, *, table: type[Any], kind: str) -> None:
        super().__init__(batch.work.session, batch.work.customer_id, table=table, kind=kind)
        self._batch = batch

    async def lock(self, record_id: str, *, deleted: bool = False) -> Any:
        row = self._batch.records.get(record_id)
        if row is None or (row.deleted_at is not None) != deleted:
            raise missing(self.kind)
        return row

    async def require_living(self, references: Iterable[tuple[str, str | None]]) -> None:
        """Nothing: the batch locked what its rows refer to, and knows what was merged into what."""

    async def require_visible(self, references: dict[str, str]) -> None:
        """Nothing: what all rows of a batch refer to is looked up at once, beneath the same policies."""


class HeldHistory(HistoryRepository):
    """The history of opportunities, held in the order of its changes."""

    def __init__(self, batch: Batch, recorded_at: datetime) -> None:
        super().__init__(batch.work.session, batch.work.customer_id)
        self._batch = batch
        self._recorded_at = recorded_at

    async def close(self, opportunity_id: str, field: str, at: datetime) -> None:
        self._batch.history.append(Interval(opportunity_id, field, at))

    def open(
        self, opportunity_id: str, field: str, old: str | None, new: str | None, *, at: datetime, event_id: str
    ) -> None:
        rows = self._batch.work.held.rows
        super().open(opportunity_id, field, old, new, at=at, event_id=event_id)
        change = rows.pop()
        assert isinstance(change, OpportunityChange)
        change.recorded_at = self._recorded_at
        self._batch.history.append(change)


class HeldParticipants(ParticipantRepository):
    """Who took part in activities that the batch has locked or made."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch.work.session, batch.work.customer_id)
        self._batch = batch

    async def of(self, activity_id: str) -> list[Values]:
        return self._batch.participants.get(activity_id, [])


def columns_of(row: Base) -> Values:
    """The values of all columns of a row that no session holds; what was never set is None."""
    values = row.__dict__
    return {name: values.get(name) for name in _columns(type(row))}


@cache
def _columns(table: type[Base]) -> tuple[str, ...]:
    """All but those that the database derives."""
    return tuple(one.key for one in table.__mapper__.column_attrs if one.columns[0].computed is None)
