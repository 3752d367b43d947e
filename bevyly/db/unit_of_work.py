"""The unit of work: one transaction for one tenant, with the events that it causes.

The edge (a request, a message, a command) opens and thereby commits it; services only use it. The tenant, and whose
records are in sight, are set transaction-local, so that a pooled connection never carries them on. Events reach the
outbox in the same transaction, as its last statement, after every row lock was taken: that keeps the events of one
entity in the order of its changes. After the commit the relay is woken, if the engine was made `with_nudge`. What must
happen with certain events, whichever route told them, happens before the outbox is written (`with_reaction`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import chain
from typing import Any, cast

import orjson
import psycopg
from psycopg import AsyncCursor
from psycopg.sql import quote
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, make_transient_to_detached
from sqlalchemy.util import await_only

from bevyly.db import rows
from bevyly.db.read import connection_was_lost
from bevyly.db.rls import OWNERS_SETTING, TENANT_SETTING
from bevyly.db.rows import Driver
from bevyly.db.schema.base import Base
from bevyly.db.scope import EVERY_OWNER, visible_owners
from bevyly.events.envelope import Event
from bevyly.events.outbox import OUTBOX_COLUMNS, outbox_rows

_NUDGE = "bevyly_nudge"
_REACTION = "bevyly_reaction"
_DRIVER = "bevyly_driver"
_WORK = "bevyly_work"
_FUSED = 4
"""As many statements share one round trip: a new row has an audit and events, and is shown."""
_SET_TENANT = text(f"select set_config('{TENANT_SETTING}', :customer_id, true)")
_ENTER = f"begin; select set_config('{TENANT_SETTING}', {{}}, true)"
_NARROW = f", set_config('{OWNERS_SETTING}', {{}}, true)"
_SEE = f"select set_config('{OWNERS_SETTING}', %s, true)".encode()
_ONE_EVENT = f"insert into outbox ({', '.join(OUTBOX_COLUMNS)}) values (%s, %s, %s, %s)".encode()
_EVENTS = f"""
insert into outbox ({", ".join(OUTBOX_COLUMNS)})
select {", ".join(OUTBOX_COLUMNS)} from rows from (
  json_to_recordset(%s::json) as ({", ".join(f"{name} text" for name in OUTBOX_COLUMNS)})
) with ordinality as given({", ".join(OUTBOX_COLUMNS)}, n)
order by n
""".encode()
Part = tuple[bytes, list[Any]]
"""A statement and its values."""


class UnitOfWork:
    """A write session of one tenant. `session` is for repositories, the rest for services."""

    def __init__(self, session: AsyncSession, customer_id: str, reaction: "Reaction | None" = None) -> None:
        self.session = session
        self.customer_id = customer_id
        self._reaction = reaction
        self.wrote_events = False
        self._events: list[Event] = []
        self._notes: list[Part] = []
        self._new: list[Part] = []
        self._parts = 0

    @property
    def has_new(self) -> bool:
        """Whether new rows wait for a statement."""
        return bool(self._new)

    @property
    def events(self) -> list[Event]:
        """What was emitted and is not in the outbox yet."""
        return self._events

    async def insert(self, row: Base) -> None:
        """Store a new row, with the next statement at the latest. It may be changed like any row of the session."""
        self._new.append(rows.insertion(row))
        make_transient_to_detached(row)
        self.session.add(row)

    async def settle(self) -> None:
        """Store new rows that wait for a statement. Asking the session anything, and `flush`, do it by themselves."""
        new, self._new = self._new, []
        for statement, values in new:
            await driver_of(self.session).execute(statement, values)

    def note(self, table: type[Base], **values: Any) -> None:
        """Store a new row with the events: one that nobody reads or changes in this unit of work."""
        self._notes.append(rows.insertion_of(table, values))

    def emit(self, event: Event) -> None:
        """Publish `event` if and only if this unit of work commits."""
        if event.tenant_id != self.customer_id:
            raise ValueError("an event belongs to the tenant of its unit of work")
        self._events.append(event)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that may fail for itself: rows, notes and events of a failed part are forgotten."""
        await self.settle()
        events, notes = len(self._events), len(self._notes)
        self._parts += 1
        try:
            async with self.session.begin_nested():
                await self.session.connection()  # else the savepoint waits for the session's first statement
                yield
                await self.settle()
        except BaseException:
            del self._events[events:]
            del self._notes[notes:]
            self._new.clear()
            raise
        finally:
            self._parts -= 1

    @asynccontextmanager
    async def see_everything(self) -> AsyncIterator[None]:
        """Whoever asks: for what follows from a change, which is ours to do and not the asker's."""
        await flush(self.session)
        narrowed, driver = visible_owners(), driver_of(self.session)
        if narrowed == EVERY_OWNER:
            yield
            return
        await driver.execute(_SEE, (EVERY_OWNER,))
        yield
        await flush(self.session)
        await driver.execute(_SEE, (narrowed,))

    async def write_outbox(self) -> None:
        """Flush the session, then write new rows, notes and events since the last call."""
        new, told = await self._taken()
        if new or told:
            await self._execute([*new, *told])

    async def ask(self, question: bytes, parameters: Sequence[Any]) -> Any:
        """The first row of `question`, which sees all changes; notes and events are written on the same trip.

        In a part that may fail for itself they wait: those of before the part would be lost with it.
        """
        told: list[Part] = []
        if self._parts == 0:
            self._new, told = await self._taken()
        return await self._answer(told, question, parameters)

    async def tell(self, function: str, key: Any, *arguments: Any) -> Any:
        """The first row of a volatile function of the database; as `ask`, with new rows on the same trip as well.

        It is called with its `key` when they are stored, and sees them because it is volatile.
        """
        new, told = await self._taken() if self._parts == 0 else ([], [])
        places = "".join(", %s" for _ in arguments)
        if not new or len(new) + len(told) >= _FUSED:
            self._new = new or self._new
            return await self._answer(told, f"select * from {function}(%s{places})".encode(), (key, *arguments))
        stored = " + ".join(f"(select count(*) from part_{number})" for number, _ in enumerate(new))
        called = f"{function}(case when stored.rows = {len(new)} then %s end{places})"
        question = f"select told.* from (select {stored}) stored(rows), lateral {called} told".encode()
        returning = [(statement + b" returning 1", values) for statement, values in new]
        return await self._answer([*returning, *told], question, (key, *arguments))

    async def _answer(self, before: list[Part], question: bytes, parameters: Sequence[Any]) -> Any:
        await flush(self.session)
        return await (await self._execute([*before, (question, list(parameters))])).fetchone()

    async def _execute(self, parts: list[Part]) -> AsyncCursor[Any]:
        """Execute statements, the last few on one trip; the cursor is that of the last one."""
        driver = driver_of(self.session)
        for statement, values in parts[:-_FUSED]:
            await driver.execute(statement, values)
        *before, (statement, values) = parts[-_FUSED:]
        if before:
            named = b", ".join(b"part_%d as (%s)" % (number, part) for number, (part, _) in enumerate(before))
            statement, values = b"with " + named + statement, [*chain(*(one for _, one in before)), *values]
        return await driver.execute(statement, values)

    async def _taken(self) -> tuple[list[Part], list[Part]]:
        """Statements that store new rows, and such that store notes and events: no longer held, the outbox last."""
        await _flush_objects(self.session)
        if self._events and self._reaction is not None:
            await self._reaction(self)
            await _flush_objects(self.session)
        told = self._notes
        if self._events:
            self.wrote_events = True
            told.append(_storing(outbox_rows(self._events)))
        new = self._new
        self._new, self._notes, self._events = [], [], []
        return new, told


def _storing(events: list[dict[str, str]]) -> Part:
    if len(events) == 1:
        return _ONE_EVENT, [events[0][name] for name in OUTBOX_COLUMNS]
    return _EVENTS, [orjson.dumps(events).decode()]


def work_of(session: AsyncSession) -> UnitOfWork:
    """The unit of work that a session belongs to."""
    return cast(UnitOfWork, session.info[_WORK])


def driver_of(session: AsyncSession) -> Driver:
    """The connection beneath a unit of work's session, for statements that need no objects."""
    return cast(Driver, session.info[_DRIVER])


async def flush(session: AsyncSession) -> None:
    """Write what the session holds and what its unit of work has new, if anything."""
    await _flush_objects(session)
    work = session.info.get(_WORK)
    if work is not None:
        await work.settle()


async def _flush_objects(session: AsyncSession) -> None:
    """Asking costs less than an empty flush."""
    if session.new or session.dirty or session.deleted:
        await session.flush()


def with_nudge(engine: AsyncEngine, nudge: Callable[[], None]) -> AsyncEngine:
    """`engine`, on the same pool, whose units of work call `nudge` after the commit of events."""
    return engine.execution_options(**{_NUDGE: nudge})


Reaction = Callable[[UnitOfWork], Awaitable[None]]


def with_reaction(engine: AsyncEngine, reaction: Reaction) -> AsyncEngine:
    """`engine`, on the same pool, whose units of work end with `reaction`: it may look at events, and emit more."""
    return engine.execution_options(**{_REACTION: reaction})


class _Session(Session):
    """A session that stores the new rows of its unit of work before it says or asks anything."""


@event.listens_for(_Session, "before_flush")
def _before_flush(session: Session, *_: object) -> None:
    _settle(session)


@event.listens_for(_Session, "do_orm_execute")
def _before_statement(state: ORMExecuteState) -> None:
    _settle(state.session)


def _settle(session: Session) -> None:
    work = session.info.get(_WORK)
    if work is not None and work.has_new:
        await_only(work.settle())


@asynccontextmanager
async def unit_of_work(engine: AsyncEngine, customer_id: str) -> AsyncIterator[UnitOfWork]:
    """A unit of work for `customer_id`: commits at the end, rolls back on any error."""
    options = engine.sync_engine.get_execution_options()
    async with _transaction(engine, customer_id) as (connection, driver):
        session = _session(connection, driver)
        try:
            work = session.info[_WORK] = UnitOfWork(session, customer_id, options.get(_REACTION))
            yield work
            await work.write_outbox()
        finally:
            await session.close()
    nudge = options.get(_NUDGE)
    if nudge and work.wrote_events:
        nudge()


def _session(connection: AsyncConnection, driver: Driver) -> AsyncSession:
    """A session that joins the transaction of its connection and ends nothing."""
    joined: Any = {"expire_on_commit": False, "join_transaction_mode": "rollback_only", "info": {_DRIVER: driver}}
    return AsyncSession(connection, sync_session_class=_Session, **joined)


@asynccontextmanager
async def _transaction(engine: AsyncEngine, customer_id: str) -> AsyncIterator[tuple[AsyncConnection, Driver]]:
    connection, driver = await _entered(engine, customer_id)
    try:
        _beneath(connection).begin()  # says so to SQLAlchemy, and does not ask the server
        yield connection, driver
        await connection.commit()
    finally:
        await connection.close()


async def _entered(engine: AsyncEngine, customer_id: str) -> tuple[AsyncConnection, Driver]:
    """A connection in a transaction of the tenant. The server may have restarted while it was idle: asked once more."""
    try:
        return await _enter(engine, customer_id)
    except psycopg.OperationalError as error:
        if not connection_was_lost(error):
            raise
        await engine.dispose()
        return await _enter(engine, customer_id)


async def _enter(engine: AsyncEngine, customer_id: str) -> tuple[AsyncConnection, Driver]:
    connection = await engine.connect()
    try:
        driver = cast(Driver, _beneath(connection).connection.driver_connection)
        # two statements without parameters are one round trip; psycopg, in autocommit, begins nothing of its own
        await driver.execute(_entering(customer_id, driver), prepare=False)
    except BaseException:
        await connection.invalidate()
        await connection.close()
        raise
    return connection, driver


def _beneath(connection: AsyncConnection) -> Connection:
    """What an open connection is made of: what needs no server is asked there."""
    assert connection.sync_connection is not None
    return connection.sync_connection


def _entering(customer_id: str, driver: Driver) -> bytes:
    statement, owners = _ENTER.format(quote(customer_id, driver)), visible_owners()
    if owners != EVERY_OWNER:
        statement += _NARROW.format(quote(owners, driver))
    return statement.encode()


@contextmanager
def tenant_session(engine: Engine, customer_id: str) -> Iterator[Session]:
    """A blocking session for `customer_id`: commits at the end, rolls back on any error."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        session.execute(_SET_TENANT, {"customer_id": customer_id})
        yield session
