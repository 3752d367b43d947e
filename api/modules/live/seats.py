"""How many streams one user may have, over all processes: leases in Redis that a living stream renews.

Where Redis is away, a process counts its own; what a process takes at most holds in any case.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.modules.live.errors import TooManyStreams
from bevyly.clock import Clock
from bevyly.errors import Unavailable
from bevyly.ids import new_id

STREAMS = Gauge("bevyly_live_streams", "Live streams that are open in this process.")
PER_USER = 5
PER_PROCESS = 1_000
LEASE_SECONDS = 45
log = structlog.get_logger()


@dataclass(frozen=True)
class Seat:
    """The place of one stream."""

    user_id: str
    id: str


class Seats:
    """Gives out places and takes them back."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._here: Counter[str] = Counter()
        self._leaving: set[asyncio.Task[Any]] = set()

    async def take(self, user_id: str) -> Seat:
        """A place for one more stream of a user; raises `TooManyStreams` or `Unavailable`."""
        if self._here.total() >= PER_PROCESS:
            raise Unavailable("Too many streams are open here. Try again in a moment.")
        if self._here[user_id] >= PER_USER:
            raise _too_many()
        seat = Seat(user_id, new_id())
        self._count(user_id, 1)
        if await self._lease(seat, within=True) > PER_USER:
            self.give_back(seat)
            raise _too_many()
        return seat

    async def renew(self, seat: Seat) -> None:
        """Keep a place; a stream that says nothing for a while has lost it."""
        await self._lease(seat)

    def give_back(self, seat: Seat) -> None:
        """Free a place; Redis hears of it by itself, since who leaves was mostly cancelled and can wait for nothing."""
        self._count(seat.user_id, -1)
        task = asyncio.create_task(self._try(self._redis.zrem(_key(seat), seat.id)))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Wait until Redis knows of all who left."""
        await asyncio.gather(*self._leaving)

    async def _lease(self, seat: Seat, *, within: bool = False) -> int:
        now = self._clock.now().timestamp()
        async with self._redis.pipeline(transaction=True) as pipe:
            if within:
                pipe.zremrangebyscore(_key(seat), "-inf", now)
            pipe.zadd(_key(seat), {seat.id: now + LEASE_SECONDS})
            pipe.zcard(_key(seat))
            pipe.expire(_key(seat), LEASE_SECONDS)
            found = await self._try(pipe.execute())
        return 0 if found is None else int(found[-2])

    async def _try(self, asked: Any) -> Any:
        try:
            return await asked
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("live_seats_away", error=type(error).__name__)
            return None

    def _count(self, user_id: str, by: int) -> None:
        self._here[user_id] += by
        if not self._here[user_id]:
            del self._here[user_id]
        STREAMS.set(self._here.total())


def _key(seat: Seat) -> str:
    return f"live:{seat.user_id}"


def _too_many() -> TooManyStreams:
    return TooManyStreams(f"At most {PER_USER} streams of one user may be open.", retry_after=LEASE_SECONDS)
