"""The unit of work: one transaction for one tenant, with the events that it causes.

The edge (a request, a message, a command) opens and thereby commits it; services only use it. The tenant is set
transaction-local, so that a pooled connection never carries it on. Events reach the outbox in the same transaction,
as its last statement, after every row lock was taken: that keeps the events of one entity in the order of its changes.
After the commit the relay is woken, if the engine was made `with_nudge`.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy import Engine, insert, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from bevyly.db.rls import TENANT_SETTING
from bevyly.db.schema import OutboxEvent
from bevyly.events.envelope import Event
from bevyly.events.outbox import outbox_rows

_NUDGE = "bevyly_nudge"
_SET_TENANT = text(f"select set_config('{TENANT_SETTING}', :customer_id, true)")
# inline: the app may append to the outbox but not read it, so nothing may come back
_OUTBOX = insert(OutboxEvent).inline()


class UnitOfWork:
    """A write session of one tenant. `session` is for repositories, `emit` for services."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id
        self.wrote_events = False
        self._events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Publish `event` if and only if this unit of work commits."""
        if event.tenant_id != self.customer_id:
            raise ValueError("an event belongs to the tenant of its unit of work")
        self._events.append(event)

    async def write_outbox(self) -> None:
        """Flush the session, then write the events that were emitted since the last call."""
        await self.session.flush()
        if self._events:
            await self.session.execute(_OUTBOX, outbox_rows(self._events))
            self._events.clear()
            self.wrote_events = True


def with_nudge(engine: AsyncEngine, nudge: Callable[[], None]) -> AsyncEngine:
    """`engine`, on the same pool, whose units of work call `nudge` after the commit of events."""
    return engine.execution_options(**{_NUDGE: nudge})


@asynccontextmanager
async def unit_of_work(engine: AsyncEngine, customer_id: str) -> AsyncIterator[UnitOfWork]:
    """A unit of work for `customer_id`: commits at the end, rolls back on any error."""
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        await session.execute(_SET_TENANT, {"customer_id": customer_id})
        work = UnitOfWork(session, customer_id)
        yield work
        await work.write_outbox()
    nudge = engine.sync_engine.get_execution_options().get(_NUDGE)
    if nudge and work.wrote_events:
        nudge()


@contextmanager
def tenant_session(engine: Engine, customer_id: str) -> Iterator[Session]:
    """A blocking session for `customer_id`: commits at the end, rolls back on any error."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        session.execute(_SET_TENANT, {"customer_id": customer_id})
        yield session
