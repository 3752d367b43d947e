"""Engines: how a process reaches PostgreSQL. Made once in a process; nothing connects at import."""

import asyncio
from functools import cached_property

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util import await_only
from sqlalchemy.util.queue import AsyncAdaptedQueue, Empty

_CONNECT = {"connect_timeout": 5}


class _InTurn(AsyncAdaptedQueue[ConnectionPoolEntry]):
    """Free connections, for who waits longest: SQLAlchemy's own queue lets who comes last pass those that wait."""

    @cached_property
    def _free(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(0)

    def put_nowait(self, item: ConnectionPoolEntry) -> None:
        super().put_nowait(item)
        self._free.release()

    def get_nowait(self) -> ConnectionPoolEntry:
        if self._free.locked():
            raise Empty
        await_only(self._free.acquire())
        return super().get_nowait()

    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:
        if not block or not self._free.locked():
            return self.get_nowait()
        try:
            await_only(self._wait(timeout))
        except TimeoutError as error:
            raise Empty from error
        return super().get_nowait()

    async def _wait(self, seconds: float | None) -> None:
        async with asyncio.timeout(seconds):
            await self._free.acquire()


class _FairPool(AsyncAdaptedQueuePool):
    __module__ = AsyncAdaptedQueuePool.__module__  # what it logs is SQLAlchemy's
    _queue_class = _InTurn


def sqlalchemy_url(url: str) -> str:
    """`postgresql://…` with the psycopg 3 driver named."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def make_engine(url: str, *, pool_size: int = 5) -> Engine:
    """A blocking engine, for pipelines and commands."""
    return create_engine(
        sqlalchemy_url(url), pool_size=pool_size, max_overflow=0, pool_pre_ping=True, connect_args=_CONNECT
    )


def make_async_engine(url: str, *, pool_size: int = 8, pool_timeout: float = 2.0) -> AsyncEngine:
    """An asyncio engine for writes of the API; `pool_timeout` seconds bound the wait for a connection.

    A unit of work begins its transaction itself (one round trip for that and the tenant) and replaces a connection that
    was lost, so nothing is asked when a connection is taken.
    """
    return create_async_engine(
        sqlalchemy_url(url),
        poolclass=_FairPool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout,
        pool_use_lifo=True,
        connect_args=_CONNECT | {"autocommit": True},
        # an error is logged with its statement, and what people sent does not belong in a log
        hide_parameters=True,
    )
