"""One stream: from a position onwards, what its reader may know, until the reader or the right to read goes.

A position is a `seq` with the second to which everything before it was told. A reader that comes back within a day
continues without a gap; one that comes later is told so. Who asks is looked at again before each page and heartbeat.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import orjson
from fastapi.sse import format_sse_event

from api.dependencies.principal import Principal
from api.modules.live.errors import InvalidPosition
from api.modules.live.feed import Entry, Feed
from api.modules.live.seats import Seat, Seats
from bevyly.errors import BevylyError
from bevyly.events import live

HEARTBEAT_SECONDS = 15.0
RETRY_MILLISECONDS = 2_000
PERMISSION_OF = dict.fromkeys((live.BRIEFING, live.SIGNALS, live.RECOMMENDATIONS), "intent:read") | {
    live.IMPORTS: "imports:read"
}
_POSITION = re.compile(r"(\d{1,18})-(\d{1,11})", re.ASCII)


@dataclass(frozen=True)
class Position:
    """Everything up to `seq` was told; nothing else was there at second `as_of`."""

    seq: int
    as_of: int

    def __str__(self) -> str:
        return f"{self.seq}-{self.as_of}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """The position in a `Last-Event-ID`; raises `InvalidPosition`."""
        found = _POSITION.fullmatch(text)
        if found is None:
            raise InvalidPosition("Last-Event-ID takes the id of an event of this stream.")
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True)
class Asked:
    """What a reader asked for; without a topic named, all that they may read."""

    named: frozenset[str]
    follow: bool
    position: Position | None


class Stream:
    """The stream of one reader."""

    def __init__(
        self,
        feed: Feed,
        seats: Seats,
        *,
        asked: Asked,
        principal: Principal,
        seat: Seat,
        recheck: Callable[[], Awaitable[Principal]],
    ) -> None:
        self._feed = feed
        self._seats = seats
        self._asked = asked
        self._principal = principal
        self._seat = seat
        self._recheck = recheck
        self._position = Position(0, 0)
        self._last_sent = 0.0

    async def events(self) -> AsyncIterator[bytes]:
        """The bytes of the stream, block by block."""
        try:
            with self._feed.listener(self._principal.customer_id) as bell:
                async for block in self._blocks(bell):
                    self._last_sent = time.monotonic()
                    yield block
        except BevylyError as error:
            yield _event("closed", {"reason": error.code})
        finally:
            self._seats.give_back(self._seat)

    async def _blocks(self, bell: asyncio.Event) -> AsyncIterator[bytes]:
        customer_id = self._principal.customer_id
        yield await self._begin(customer_id)
        while True:
            bell.clear()
            self._principal = await self._recheck()
            page = await self._feed.after(customer_id, self._position.seq)
            for entry in page.entries:
                self._position = Position(entry.seq, entry.written)
                if self._may_know(entry):
                    yield _told(entry, self._position)
            if page.full:
                continue
            self._position = replace(self._position, as_of=page.as_of)
            if not self._asked.follow:
                yield _heartbeat(self._position)
                return
            if not await self._rung(bell):
                await self._seats.renew(self._seat)
                yield _heartbeat(self._position)

    async def _begin(self, customer_id: str) -> bytes:
        newest = Position(*await self._feed.newest(customer_id))
        asked = self._asked.position
        self._position = asked or newest
        if asked is not None and asked.as_of < newest.as_of - live.KEPT_HOURS * 3600:
            return _event("reset", {"reason": "too_old"}, id=asked)
        return _event("open", {"topics": sorted(self._topics())}, id=self._position)

    async def _rung(self, bell: asyncio.Event) -> bool:
        """Wait until there may be something new, or for the next heartbeat; which of both."""
        left = self._last_sent + HEARTBEAT_SECONDS - time.monotonic()
        try:
            await asyncio.wait_for(bell.wait(), max(left, 0.0))
        except TimeoutError:
            return False
        return True

    def _topics(self) -> frozenset[str]:
        chosen = self._asked.named or frozenset(live.TOPICS)
        return frozenset(topic for topic in chosen if PERMISSION_OF[topic] in self._principal.permissions)

    def _may_know(self, entry: Entry) -> bool:
        mine = entry.user_id is None or entry.user_id == self._principal.user_id
        return mine and entry.topic in self._topics()


def _told(entry: Entry, position: Position) -> bytes:
    return format_sse_event(data_str=entry.envelope, event=entry.type, id=str(position))


def _event(name: str, data: dict[str, object], *, id: Position | None = None) -> bytes:
    """An event about the stream itself; the first also says how soon to come back after the stream broke off."""
    retry, text = (None, None) if id is None else (RETRY_MILLISECONDS, str(id))
    return format_sse_event(data_str=orjson.dumps(data).decode(), event=name, id=text, retry=retry)


def _heartbeat(position: Position) -> bytes:
    """No event: without data a browser only takes note of the id."""
    return format_sse_event(comment="heartbeat", id=str(position))
