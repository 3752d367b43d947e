"""Guessing passwords: after a few failures each further attempt has to wait, a little longer every time.

Failures are counted by the clock of Redis for the account with the address, for the account, and for the address.
Each attempt counts as a failure until it succeeds, so that many at once gain nothing. An address from which the
account was entered lately is not bound by the account's count: whoever guesses from elsewhere cannot lock out the
owner, who can besides always set a new password by mail. Without Redis nobody logs in.
"""

from dataclasses import dataclass
from hashlib import sha256
from math import ceil

from prometheus_client import Counter
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from bevyly.errors import BevylyError, Unavailable

DELAYED = Counter("bevyly_log_in_delayed_total", "Attempts to log in that had to wait.")
KNOWN_SECONDS = 30 * 86_400
MAX_KNOWN = 20

# KEYS: pair, account, address, addresses known to the account. ARGV: address, known seconds, then for each of the first
# three keys: free attempts, longest wait in ms, seconds until forgotten. Returns how many ms to wait, 0 to go on.
ATTEMPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local seen = tonumber(redis.call('ZSCORE', KEYS[4], ARGV[1]) or 0)
local known = seen > time[1] - tonumber(ARGV[2])
local wait = 0
for i = 1, 3 do
  if i ~= 2 or not known then
    wait = math.max(wait, tonumber(redis.call('HGET', KEYS[i], 'until') or 0) - now)
  end
end
if wait > 0 then return math.ceil(wait) end
for i = 1, 3 do
  local free, longest, kept = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local over = redis.call('HINCRBY', KEYS[i], 'count', 1) - free
  if over >= 0 then
    redis.call('HSET', KEYS[i], 'until', string.format('%.0f', now + math.min(longest, 1000 * 2 ^ math.min(over, 40))))
  end
  redis.call('EXPIRE', KEYS[i], kept)
end
return 0
"""
# KEYS as above. ARGV: address, how many to know, for how long. The address keeps its other failures: it may guess on.
SUCCEEDED = """
redis.call('DEL', KEYS[1], KEYS[2])
if redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('HINCRBY', KEYS[3], 'count', -1)
  redis.call('HDEL', KEYS[3], 'until')
end
redis.call('ZADD', KEYS[4], redis.call('TIME')[1], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -1 - tonumber(ARGV[2]))
redis.call('EXPIRE', KEYS[4], ARGV[3])
return 0
"""


@dataclass(frozen=True)
class Delay:
    """`free` failures cost nothing, then one second, two, four … up to `longest`; forgotten after `kept` seconds."""

    free: int
    longest: int
    kept: int


@dataclass(frozen=True)
class LogInDelays:
    """The delays in force."""

    pair: Delay = Delay(free=5, longest=900, kept=86_400)
    account: Delay = Delay(free=20, longest=60, kept=86_400)
    address: Delay = Delay(free=50, longest=60, kept=900)


class TooManyLogins(BevylyError):
    """So many attempts failed that the next has to wait, a little longer each time."""

    code, status, title = "too_many_logins", 429, "Wait before the next attempt"


class Throttle:
    """Counts attempts to prove a password."""

    def __init__(self, redis: Redis, delays: LogInDelays) -> None:
        self._redis = redis
        self._attempt = redis.register_script(ATTEMPT)
        self._succeeded = redis.register_script(SUCCEEDED)
        self._limits = [
            number
            for delay in (delays.pair, delays.account, delays.address)
            for number in (delay.free, delay.longest * 1000, delay.kept)
        ]

    async def attempt(self, account: str, address: str) -> "Attempt":
        """Count an attempt of `address` at `account`; raises `TooManyLogins`, and `Unavailable` without Redis."""
        one = Attempt(self, account, address)
        wait = await self._run(self._attempt, one.keys, [one.address, KNOWN_SECONDS, *self._limits])
        if wait > 0:
            DELAYED.inc()
            raise TooManyLogins("Too many attempts failed. Wait before the next.", retry_after=ceil(wait / 1000))
        return one

    async def succeed(self, one: "Attempt") -> None:
        """Forget what failed before, and remember from where it succeeded."""
        await self._run(self._succeeded, one.keys, [one.address, MAX_KNOWN, KNOWN_SECONDS])

    async def forget(self, account: str, address: str) -> None:
        """Forget the failures at an account whose password is new, and know the address that set it."""
        await self.succeed(Attempt(self, account, address))

    async def _run(self, script: AsyncScript, keys: list[str], arguments: list[str | int]) -> int:
        try:
            return int(await script(keys=keys, args=arguments))
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("Log-in is paused while we cannot count attempts. Try again in a moment.") from error


class Attempt:
    """One attempt; it counts as failed until it succeeds."""

    def __init__(self, throttle: Throttle, account: str, address: str) -> None:
        self._throttle = throttle
        self.address = address
        name = sha256(account.encode()).hexdigest()[:32]
        self.keys = [f"login:{kind}" for kind in (f"{name}:{address}", name, f"from:{address}", f"known:{name}")]

    async def succeeded(self) -> None:
        """The password was right."""
        await self._throttle.succeed(self)
