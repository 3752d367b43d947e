"""Leadership: at most one process at a time does a job, and a stalled one loses it within seconds.

A session advisory lock is held for as long as its session lives. PostgreSQL ends the session of a leader that says
nothing for a lease (killed, stopped, cut off), which rolls its transaction back and frees the lock. So a leader
must speak at least twice a lease, and must not connect through a transaction pooler.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

LEASE_SECONDS = 5.0
DATABASE_AWAY = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout)
"""What psycopg raises when the connection or the server is gone; a lost lease in a transaction is the second."""

# the second one ends a process that stopped while an answer was on its way to it
_IN_TRANSACTION = ("idle_in_transaction_session_timeout", "tcp_user_timeout")
_ALWAYS = ("idle_session_timeout", *_IN_TRANSACTION)


@contextmanager
def leadership(
    url: str, role: str, *, lease_seconds: float = LEASE_SECONDS
) -> Iterator[psycopg.Connection[tuple[Any, ...]] | None]:
    """A connection, in autocommit, that leads in `role` while it lives; None where another process leads.

    The lead is given up before the connection closes, so whoever asks next has it at once.
    """
    with connect_for_long(url, name=f"bevyly-{role}") as connection:
        _limit(connection, _ALWAYS, lease_seconds)
        row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", (f"bevyly:{role}",)).fetchone()
        if not row or not row[0]:
            yield None
            return
        try:
            yield connection
        finally:
            _give_up(connection)


def _give_up(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    # PostgreSQL frees the lock some time after a client closes; a connection that is lost frees it by its end alone
    with suppress(psycopg.Error):
        connection.execute("select pg_advisory_unlock_all()")


def connect_for_long(url: str, *, name: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection in autocommit that notices within about ten seconds that its server vanished without a word."""
    return psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=5,
        application_name=name,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=10_000,
    )


def limit_silence(connection: psycopg.Connection[tuple[Any, ...]], *, seconds: float) -> None:
    """Let PostgreSQL end the session if it says nothing within a transaction, so that its row locks do not stay."""
    _limit(connection, _IN_TRANSACTION, seconds)


def _limit(connection: psycopg.Connection[tuple[Any, ...]], timeouts: tuple[str, ...], seconds: float) -> None:
    for timeout in timeouts:
        connection.execute("select set_config(%s, %s, false)", (timeout, f"{seconds * 1000:.0f}"))
