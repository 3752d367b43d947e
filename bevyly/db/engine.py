"""Engines: how a process reaches PostgreSQL. Made once in a process; nothing connects at import."""

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_CONNECT = {"connect_timeout": 5}


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
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout,
        pool_use_lifo=True,
        connect_args=_CONNECT | {"autocommit": True},
        # an error is logged with its statement, and what people sent does not belong in a log
        hide_parameters=True,
    )
