"""Spreads: a tenant too large for one partition is keyed by entity, without turning any entity's events round.

The switch, by the leading relay alone, between two batches: the tenant's events wait in the outbox (others go on);
a barrier is written down, the end of the tenant's partition of every topic; when every consumer group has taken effect
up to it, the new key is in use. The state is a row of `tenant_spreads`, so that a relay which dies is followed
by one that goes on from there.

A tenant waits only while that helps: no barrier is set, and a set one is lifted again, while a group that has not
passed it stands still. A group that has stood still for a day in front of messages older than that is given up, not
waited for. The ingest always counts, even before it first ran.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, NamedTuple

import psycopg
import structlog
from confluent_kafka import KafkaException, TopicPartition
from psycopg.types.json import Jsonb

from bevyly.events.bus import BrokerUnavailable, make_consumer, partitions_of, watermarks
from bevyly.events.catalogue import topics
from bevyly.events.failpoints import failpoint
from bevyly.events.keys import partition_for
from bevyly.settings import Settings
from pipelines.intake import GROUP as INGEST
from pipelines.intake.offsets import Partition

Connection = psycopg.Connection[tuple[Any, ...]]
Ends = Mapping[Partition, int]

# a tenant is judged by its share of about the last ten minutes' events
HALF_LIFE_SECONDS = 600.0
LEAST_EVENTS = 20_000
LOOK_SECONDS, HELD_LOOK_SECONDS = 1.0, 0.05
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 30.0, 3_600.0
DAY_MILLISECONDS = 86_400_000
KAFKA_SECONDS = 2.0

_REQUEST = "insert into tenant_spreads (customer_id) select id from customers where id = any(%s) on conflict do nothing"
_LOAD = "select customer_id, barrier, active_since is not null from tenant_spreads"
_SET_BARRIER = "update tenant_spreads set barrier = %s where customer_id = %s and active_since is null"
_ACTIVATE = "update tenant_spreads set active_since = now() where customer_id = %s and active_since is null"
_POSITIONS = """
select o.consumer_group, o.topic, o.partition, o.next_offset,
  o.updated_at > now() - interval '10 seconds', o.updated_at > now() - interval '1 day'
from raw.consumer_offsets o
join unnest(%s::text[], %s::int[]) as wanted(topic, partition) using (topic, partition)
"""

_log = structlog.get_logger()


def request_spread(connection: Connection, customer_id: str) -> bool:
    """Ask for the spread of `customer_id`, in the caller's transaction; whether it is new. The relay does the rest."""
    return connection.execute(_REQUEST, ([customer_id],)).rowcount == 1


class Shares:
    """Which tenants make up how much of the recent events: counts that fade with a half-life."""

    def __init__(self, *, half_life: float = HALF_LIFE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._half_life = half_life
        self._clock = clock
        self._counts: dict[str, float] = {}
        self._faded = clock()

    def note(self, events: Counter[str]) -> None:
        """So many events of these tenants were published now."""
        for customer_id, number in events.items():
            self._counts[customer_id] = self._counts.get(customer_id, 0.0) + number

    def above(self, share: float, *, least: float) -> list[str]:
        """Tenants with more than `share` of the events, if there were at least `least`."""
        self._fade()
        total = sum(self._counts.values())
        return [one for one, number in self._counts.items() if total >= least and number > share * total]

    def _fade(self) -> None:
        now = self._clock()
        factor = 0.5 ** ((now - self._faded) / self._half_life)
        self._faded = now
        faded = {customer_id: number * factor for customer_id, number in self._counts.items()}
        self._counts = {customer_id: number for customer_id, number in faded.items() if number >= 1}


class Position(NamedTuple):
    """Where a consumer group stands in a partition, and whether it moved within seconds, or within a day."""

    group: str
    partition: Partition
    next_offset: int
    moving: bool
    alive: bool


class Spreads:
    """The state of all spreads as the leading relay knows it; `step` between batches moves them on."""

    def __init__(
        self,
        settings: Settings,
        *,
        least_events: int = LEAST_EVENTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._least_events = least_events
        self._clock = clock
        self._shares = Shares(clock=clock)
        self._patience: dict[str, _Patience] = {}
        self.begin()

    def begin(self) -> None:
        """Trust nothing from an earlier time of leading: `step` reads it all again."""
        self.held: list[str] = []
        self.active: list[str] = []
        self._next_look = self._clock()

    def note(self, published: Counter[str]) -> None:
        """Tell how many events of which tenant were published."""
        self._shares.note(published)

    def step(self, connection: Connection) -> None:
        """Move on what can be moved on; call it when everything taken from the outbox is acknowledged."""
        if self._clock() < self._next_look:
            return
        rows = connection.execute(_LOAD).fetchall()
        self._request_automatic(connection, {row[0] for row in rows})
        self.active = [customer_id for customer_id, _, active in rows if active]
        pending = {customer_id: barrier for customer_id, barrier, active in rows if not active}
        self.held = [customer_id for customer_id, barrier in pending.items() if barrier]
        for customer_id, barrier in pending.items():
            if barrier:
                self._try_to_activate(connection, customer_id, barrier)
            elif self._may_try(customer_id):
                self._try_to_hold(connection, customer_id)
        self._next_look = self._clock() + (HELD_LOOK_SECONDS if self.held else LOOK_SECONDS)

    def _request_automatic(self, connection: Connection, known: set[str]) -> None:
        large = self._shares.above(self._settings.kafka_spread_share, least=self._least_events)
        if new := [customer_id for customer_id in large if customer_id not in known]:
            connection.execute(_REQUEST, (new,))
            _log.info("spread requested", tenants=new)

    def _may_try(self, customer_id: str) -> bool:
        patience = self._patience.get(customer_id)
        return patience is None or self._clock() >= patience.until

    def _try_to_hold(self, connection: Connection, customer_id: str) -> None:
        ends, day_ago = _log_ends(self._settings, customer_id)
        positions = _positions(connection, ends)
        without = _given_up(positions, day_ago)
        if _stands_still(positions, ends, without=without):
            self._wait_longer(customer_id)
            return
        barrier = {"ends": _nested(ends), "without": without}
        failpoint("spread_requested")
        connection.execute(_SET_BARRIER, (Jsonb(barrier), customer_id))
        failpoint("spread_barrier")
        self.held.append(customer_id)
        _log.info("spread waits for the consumers", tenant=customer_id, **barrier)

    def _try_to_activate(self, connection: Connection, customer_id: str, barrier: dict[str, Any]) -> None:
        ends, without = _flat(barrier["ends"]), barrier["without"]
        positions = _positions(connection, ends)
        if _stands_still(positions, ends, without=without):
            connection.execute(_SET_BARRIER, (None, customer_id))
            self.held.remove(customer_id)
            self._wait_longer(customer_id)
            _log.warning("spread put off, a consumer stands still", tenant=customer_id)
        elif not _behind(positions, ends, without=without):
            connection.execute(_ACTIVATE, (customer_id,))
            failpoint("spread_active")
            self.held.remove(customer_id)
            self.active.append(customer_id)
            self._patience.pop(customer_id, None)
            _log.info("spread is active", tenant=customer_id)

    def _wait_longer(self, customer_id: str) -> None:
        before = self._patience.get(customer_id)
        seconds = min(before.seconds * 2, LAST_RETRY_SECONDS) if before else FIRST_RETRY_SECONDS
        self._patience[customer_id] = _Patience(self._clock() + seconds, seconds)


class _Patience(NamedTuple):
    until: float
    seconds: float


def _given_up(positions: list[Position], day_ago: Ends) -> list[str]:
    alive = {one.group for one in positions if one.alive}
    return sorted({one.group for one in positions if one.next_offset < day_ago[one.partition]} - alive - {INGEST})


def _behind(positions: list[Position], ends: Ends, *, without: list[str]) -> list[Position]:
    """The positions before the barrier; one that the ingest never took counts."""
    there = {one.partition for one in positions if one.group == INGEST}
    missing = [Position(INGEST, partition, 0, False, True) for partition in ends if partition not in there]
    counted = [one for one in positions if one.group not in without] + missing
    return [one for one in counted if one.next_offset < ends[one.partition]]


def _stands_still(positions: list[Position], ends: Ends, *, without: list[str]) -> bool:
    return any(not one.moving for one in _behind(positions, ends, without=without))


def _positions(connection: Connection, ends: Ends) -> list[Position]:
    names, numbers = [one.topic for one in ends], [one.number for one in ends]
    rows = connection.execute(_POSITIONS, (names, numbers)).fetchall()
    return [Position(group, Partition(topic, number), *rest) for group, topic, number, *rest in rows]


def _log_ends(settings: Settings, customer_id: str) -> tuple[dict[Partition, int], dict[Partition, int]]:
    """The end of the tenant's partition of every topic: now, and as it was a day ago."""
    with closing(make_consumer(settings, group="relay")) as consumer:
        counts = Counter(one.topic for one in partitions_of(consumer, topics(), timeout=KAFKA_SECONDS))
        ours = [TopicPartition(name, partition_for(customer_id, number)) for name, number in counts.items()]
        keys = [Partition(one.topic, one.partition) for one in ours]
        ends = {key: watermarks(consumer, one, timeout=KAFKA_SECONDS)[1] for key, one in zip(keys, ours, strict=True)}
        since = int(time.time() * 1_000) - DAY_MILLISECONDS
        asked = [TopicPartition(*key, since) for key in keys]
        try:
            found = consumer.offsets_for_times(asked, timeout=KAFKA_SECONDS)
        except KafkaException as error:
            raise BrokerUnavailable(f"Kafka does not tell offsets by time: {error}") from error
    day_ago = {Partition(one.topic, one.partition): one.offset for one in found}
    return ends, {key: offset if offset >= 0 else ends[key] for key, offset in day_ago.items()}


def _nested(ends: Ends) -> dict[str, dict[str, int]]:
    return {partition.topic: {str(partition.number): end} for partition, end in ends.items()}


def _flat(ends: dict[str, dict[str, int]]) -> dict[Partition, int]:
    return {Partition(topic, int(number)): end for topic, one in ends.items() for number, end in one.items()}
