"""How often: sliding windows in Redis, counted atomically and by the clock of Redis.

A window is thirty buckets. A busy principal's admissions are taken a few at a time and handed out from memory, for as
long as a bucket lasts; a bucket counts until all that was taken in it lies outside, so that a limit is never exceeded
over any window. `limits` was considered: it needs two round trips for the count and what is left of it, and trusts the
clock of each client. When Redis is away, work goes on uncounted and log-ins are refused.
"""

import asyncio
import time
from dataclasses import dataclass, field, fields
from math import ceil

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.dependencies.throttle import LogInDelays
from bevyly.errors import BevylyError, Unavailable

UNCOUNTED = Counter("bevyly_rate_limit_uncounted_total", "Requests that Redis could not count.", ["rule"])
LIMITED = Counter("bevyly_rate_limited_total", "Requests over their limit.", ["rule"])
BUCKETS = 30
AWAY_SECONDS = 1.0
MAX_LEASES = 20_000
log = structlog.get_logger()

# KEYS: a counter. ARGV: limit, window in ms, its buckets, how many a lease lasts, how many to take.
# Returns taken, left, ms until a bucket leaves.
SCRIPT = """
local limit, window, buckets, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local width = window / buckets
buckets = buckets + tonumber(ARGV[4])
local current = math.floor(ms / width)
local used, oldest = 0, current
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local bucket = tonumber(fields[i])
  if bucket < current - buckets then
    redis.call('HDEL', KEYS[1], fields[i])
  else
    used = used + tonumber(fields[i + 1])
    if bucket < oldest then oldest = bucket end
  end
end
local taken = math.max(0, math.min(wanted, limit - used))
if taken > 0 then
  redis.call('HINCRBY', KEYS[1], current, taken)
  redis.call('PEXPIRE', KEYS[1], math.ceil((buckets + 2) * width))
end
return {taken, limit - used - taken, math.ceil((oldest + buckets + 1) * width - ms)}
"""


@dataclass(frozen=True)
class Rule:
    """At most `limit` in any `seconds`; a process may take up to `lease` of them at once for a busy subject."""

    name: str
    limit: int
    seconds: int = 60
    lease: int = 1
    closed_without_redis: bool = False

    @property
    def lease_buckets(self) -> int:
        """How many buckets a lease lasts: none where each request is counted as it comes."""
        return 1 if self.lease > 1 else 0


@dataclass(slots=True)
class Decision:
    """What was decided for one request, as its answer's headers say."""

    rule: Rule
    left: int
    reset_ms: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`RateLimit` and its policy, as the IETF's draft for HTTP has them."""
        rule = self.rule
        return [
            (b"ratelimit-policy", f'"{rule.name}";q={rule.limit};w={rule.seconds}'.encode()),
            (b"ratelimit", f'"{rule.name}";r={max(self.left, 0)};t={ceil(self.reset_ms / 1000)}'.encode()),
        ]


class RateLimited(BevylyError):
    """More requests than the limit allows; `decision` is what the headers of the answer say."""

    code, status, title = "rate_limited", 429, "Too many requests"

    def __init__(self, decision: Decision) -> None:
        rule, seconds = decision.rule, max(1, ceil(decision.reset_ms / 1000))
        super().__init__(f"At most {rule.limit} in {rule.seconds} seconds.", retry_after=seconds)
        self.decision = decision


@dataclass(slots=True)
class _Lease:
    size: int
    granted: int
    taken: int
    left: int
    reset_ms: int
    until: float


class RateLimiter:
    """Counts requests by rule and subject."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(SCRIPT)
        self._leases: dict[str, _Lease] = {}
        self._fetching: dict[str, asyncio.Task[_Lease | None]] = {}
        self._away_until = 0.0

    async def hit(self, rule: Rule, subject: str) -> Decision | None:
        """Count one request of `subject`; None where Redis is away; raises `RateLimited` over the limit."""
        key = f"rate:{rule.name}:{subject}"
        lease = self._leases.get(key)
        while lease is None or lease.taken == 0 or lease.until < time.monotonic():
            lease = await (self._shared(rule, key) if rule.lease > 1 else self._take(rule, key, 1))
            if lease is None:
                self._uncounted(rule)
                return None
            if lease.granted == 0:
                LIMITED.labels(rule.name).inc()
                raise RateLimited(Decision(rule, 0, lease.reset_ms))
        lease.taken -= 1
        return Decision(rule, lease.left + lease.taken, lease.reset_ms)

    async def _shared(self, rule: Rule, key: str) -> _Lease | None:
        """The next lease of a busy subject: who comes while it is fetched waits for the same one."""
        fetching = self._fetching.get(key)
        if fetching is None:
            size = _next_size(rule, self._leases.get(key), time.monotonic())
            fetching = self._fetching[key] = asyncio.create_task(self._fetch(rule, key, size))
        return await asyncio.shield(fetching)

    async def _fetch(self, rule: Rule, key: str, size: int) -> _Lease | None:
        try:
            return await self._take(rule, key, size)
        finally:
            # Before the task is done, not in a callback after it: a request in between would find a task that is
            # done, get the same used-up lease from it, and ask for ever without yielding.
            del self._fetching[key]

    async def _take(self, rule: Rule, key: str, size: int) -> _Lease | None:
        now = time.monotonic()
        if now < self._away_until and not rule.closed_without_redis:
            return None
        try:
            arguments = [rule.limit, rule.seconds * 1000, BUCKETS, rule.lease_buckets, size]
            taken, left, reset = await self._script(keys=[key], args=arguments)
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = now + AWAY_SECONDS
            log.warning("rate_limiter_away", error=str(error))
            return None
        lease = _Lease(size, taken, taken, left, reset, now + rule.seconds / BUCKETS)
        if rule.lease > 1 and taken > 0:
            if len(self._leases) >= MAX_LEASES:
                self._leases.clear()
            self._leases[key] = lease
        return lease

    def _uncounted(self, rule: Rule) -> None:
        UNCOUNTED.labels(rule.name).inc()
        if rule.closed_without_redis:
            raise Unavailable("Log-in is paused while we cannot count attempts. Try again in a moment.")


def _next_size(rule: Rule, lease: _Lease | None, now: float) -> int:
    """One at first; twice as many as were used up in time, and as many as were used of one that was not."""
    if lease is None:
        return 1
    if lease.until < now:
        return max(1, lease.granted - lease.taken)
    return min(rule.lease, lease.size * 2)


def _about(counts: str, whose: str) -> dict[str, str]:
    return {"counts": counts, "for": whose}


READS = Rule("read", limit=3000, lease=100)
LISTS = Rule("list", limit=1200, lease=50)
WRITES = Rule("write", limit=600, lease=20)
BULK = Rule("bulk", limit=300, lease=10)
AUTHENTICATION = Rule("authentication", limit=20, closed_without_redis=True)
ADDRESS = Rule("address", limit=12_000, lease=100)
REFUSED = Rule("refused", limit=120)
RECOVERY = Rule("recovery", limit=5, seconds=3600, closed_without_redis=True)
LOG_IN = LogInDelays()


@dataclass(frozen=True)
class RateLimits:
    """The rules in force; published in the documentation of the API. A route belongs to one of the first five."""

    reads: Rule = field(default=READS, metadata=_about("one record", "user or key"))
    lists: Rule = field(default=LISTS, metadata=_about("a list or a query", "user or key"))
    writes: Rule = field(default=WRITES, metadata=_about("a change", "user or key"))
    bulk: Rule = field(default=BULK, metadata=_about("many changes at once", "user or key"))
    authentication: Rule = field(default=AUTHENTICATION, metadata=_about("log-in and what needs none", "address"))
    addresses: Rule = field(default=ADDRESS, metadata=_about("everything", "address"))
    refused: Rule = field(default=REFUSED, metadata=_about("credentials that are not valid", "address"))
    recovery: Rule = field(default=RECOVERY, metadata=_about("mails that anybody may ask for", "recipient"))
    log_in: LogInDelays = LOG_IN

    def published(self) -> list[tuple[Rule, str, str]]:
        """Each rule, what it counts, and for whom."""
        described = [(getattr(self, one.name), one.metadata) for one in fields(self) if one.metadata]
        return [(rule, about["counts"], about["for"]) for rule, about in described]
