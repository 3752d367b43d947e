"""What a process holds: engine, reader, Redis, clock and what is built of them. Made in `main`, closed with it."""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from api.dependencies.aftermath import Aftermath
from api.dependencies.gate import Gate
from api.dependencies.principal import Authenticator
from api.dependencies.rate_limit import RateLimiter, RateLimits
from api.dependencies.throttle import Throttle
from api.dependencies.tokens import AccessTokens
from bevyly.clock import Clock
from bevyly.db.engine import make_async_engine
from bevyly.db.pagination import CursorCodec
from bevyly.db.read import Reader, with_session_settings
from bevyly.db.stream import Streams
from bevyly.db.unit_of_work import Reaction, with_nudge, with_reaction
from bevyly.events.wakeup import Nudger
from bevyly.identity.passwords import Passwords
from bevyly.settings import Settings

REDIS_SECONDS = 0.05
QUERY_CONNECTIONS = 4
REDIS_CONNECT_SECONDS = 0.5
_WRITES = {
    "statement_timeout": "10s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Resources:
    """Everything that outlives a request."""

    settings: Settings
    clock: Clock
    engine: AsyncEngine
    nudger: Nudger
    reader: Reader
    queries: Reader
    streams: Streams
    redis: Redis
    tokens: AccessTokens
    gate: Gate
    limiter: RateLimiter
    limits: RateLimits
    cursors: CursorCodec
    passwords: Passwords
    throttle: Throttle
    aftermath: Aftermath

    async def close(self) -> None:
        """Finish what goes on behind the answers, and close all connections."""
        await self.aftermath.close()
        await self.nudger.close()
        await self.reader.close()
        await self.queries.close()
        await self.engine.dispose()
        await self.redis.aclose()


def make_resources(settings: Settings, *, clock: Clock, limits: RateLimits, reaction: Reaction) -> Resources:
    """All resources; nothing connects yet. Every unit of work ends with `reaction`."""
    url = settings.require_app_database()
    jwt_secrets = settings.require_jwt_secrets()
    nudger = Nudger(url)
    engine = make_async_engine(with_session_settings(url, _WRITES))
    engine = with_reaction(with_nudge(engine, nudger.nudge), reaction)
    reader = Reader(url)
    redis: Redis = Redis.from_url(
        settings.require_redis(),
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_CONNECT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    tokens = AccessTokens(jwt_secrets, expires_in=settings.jwt_expires_in, clock=clock)
    limiter = RateLimiter(redis)
    return Resources(
        settings=settings,
        clock=clock,
        engine=engine,
        nudger=nudger,
        reader=reader,
        # their own, so that costly queries never take the connections of the prepared reads
        queries=Reader(url, size=QUERY_CONNECTIONS),
        streams=Streams(url),
        redis=redis,
        tokens=tokens,
        gate=Gate(Authenticator(reader, engine, tokens, clock), limiter, limits),
        limiter=limiter,
        limits=limits,
        cursors=CursorCodec(jwt_secrets[0]),
        passwords=Passwords.of(settings),
        throttle=Throttle(redis, limits.log_in),
        aftermath=Aftermath(),
    )


def resources_of(request: Request) -> Resources:
    """The resources of the process that answers `request`."""
    found: Any = request.scope["app"].state.resources
    assert isinstance(found, Resources)
    return found
