"""Wake-up: how whoever wrote to the outbox tells the relay, so that it need not wait for its next poll.

A nudge is a NOTIFY without content. It may be lost: the relay polls behind it. It never joins a request's
transaction, because every commit with a NOTIFY waits for one lock of the whole server; many writers share one nudge.
"""

import asyncio
from contextlib import suppress
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter

CHANNEL = "bevyly_outbox"
LISTEN = f"listen {CHANNEL}"
NOTIFY = f"notify {CHANNEL}"

INTERVAL_SECONDS = 0.005
SEND_SECONDS = 2.0
RETRY_SECONDS = 1.0

nudges = Counter("bevyly_nudges", "Attempts to wake the relay", ["outcome"])
_log = structlog.get_logger()


class Nudger:
    """Wakes the relay from an asyncio process: one task, one connection, at most one NOTIFY an interval."""

    def __init__(self, url: str, *, interval: float = INTERVAL_SECONDS) -> None:
        self._url = url
        self._interval = interval
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._failing = False
        self._closing = False

    def nudge(self) -> None:
        """Ask for a wake-up; returns at once and never fails. Call it after the commit, from the event loop."""
        self._asked.set()
        if not self._closing and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._send_when_asked(), name="nudger")

    async def close(self) -> None:
        """Stop and disconnect; what was asked for and not sent is left to the relay's poll."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._disconnect()

    async def _send_when_asked(self) -> None:
        # a cancellation that meets the end of what is awaited can get lost, so the loop looks for itself
        while not self._closing:
            await self._asked.wait()
            self._asked.clear()
            sent = await self._try_to_send()
            await asyncio.sleep(self._interval if sent else RETRY_SECONDS)

    async def _try_to_send(self) -> bool:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send()
        except (psycopg.Error, OSError, TimeoutError) as error:
            self._failed(error)
            await self._disconnect()
            return False
        self._failing = False
        nudges.labels(outcome="sent").inc()
        return True

    async def _send(self) -> None:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=2, application_name="bevyly-nudger"
            )
        await self._connection.execute(NOTIFY)

    def _failed(self, error: Exception) -> None:
        nudges.labels(outcome="failed").inc()
        if not self._failing:
            _log.warning("cannot wake the relay, it polls", error=type(error).__name__)
        self._failing = True

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                await connection.close()
