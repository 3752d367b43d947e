"""What there is to tell, read once for all streams of a tenant, and who wakes them.

One connection of a process listens for the relay's notifications; each names a tenant. While it is away, the streams
look by themselves, at each heartbeat at the latest. Does not belong here: what one stream makes of it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, NamedTuple

import psycopg
import structlog

from bevyly.db.read import Reader
from bevyly.db.scope import visible_owners
from bevyly.events.live import CHANNEL

PAGE = 100
RETRY_SECONDS = 1.0
_KEEPALIVE: dict[str, Any] = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
log = structlog.get_logger()

# tenant, owners whose records are seen, position, notification
Key = tuple[str, str, int, int]


class Entry(NamedTuple):
    """One event: where it stands, what it is, and the second in which it was written."""

    seq: int
    topic: str
    type: str
    user_id: str | None
    envelope: str
    written: int


class Page(NamedTuple):
    """Events after a position, at most `PAGE`, as the table stood at second `as_of`."""

    entries: list[Entry]
    as_of: int

    @property
    def full(self) -> bool:
        """Whether there may be more."""
        return len(self.entries) == PAGE


class Feed:
    """The events of every tenant that somebody listens to."""

    def __init__(self, reader: Reader, url: str) -> None:
        self._reader = reader
        self._url = url
        self._generations: dict[str, int] = {}
        self._counter = count()
        self._listeners: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._reading: dict[Key, asyncio.Task[Page]] = {}
        self._listening: asyncio.Task[None] | None = None

    async def newest(self, customer_id: str) -> tuple[int, int]:
        """The last position of a tenant, and the second to which that holds."""
        row = await self._reader.one("api_live_position", customer_id)
        assert row is not None
        return int(row[0]), int(row[1])

    async def after(self, customer_id: str, seq: int) -> Page:
        """What follows `seq`, as far as the one who asks may see it. Streams that ask the same since the same
        notification, and see the same, share one statement."""
        key = (customer_id, visible_owners(), seq, self._generations[customer_id])
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(self._read(key))
        return await asyncio.shield(reading)

    @contextmanager
    def listener(self, customer_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the tenant may have something new, for as long as the context lasts."""
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen(), name="live")
        bell = asyncio.Event()
        self._listeners[customer_id].add(bell)
        self._generations[customer_id] = next(self._counter)
        try:
            yield bell
        finally:
            self._listeners[customer_id].discard(bell)
            if not self._listeners[customer_id]:
                del self._listeners[customer_id]
                del self._generations[customer_id]

    async def close(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening

    async def _read(self, key: Key) -> Page:
        try:
            row = await self._reader.one("api_live_events", key[0], key[2], PAGE)
        finally:
            del self._reading[key]
        assert row is not None
        *columns, as_of = row
        return Page(list(map(Entry._make, zip(*columns, strict=True))) if columns[0] else [], int(as_of))

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except (psycopg.Error, OSError) as error:
                log.warning("live_listener_away", error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)

    async def _hear(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=5, application_name="bevyly-live", **_KEEPALIVE
        ) as connection:
            await connection.execute(f"listen {CHANNEL}".encode())
            for customer_id in list(self._listeners):
                self._ring(customer_id)
            async for notification in connection.notifies():
                self._ring(notification.payload)

    def _ring(self, customer_id: str) -> None:
        if customer_id in self._listeners:
            self._generations[customer_id] = next(self._counter)
            for bell in self._listeners[customer_id]:
                bell.set()
