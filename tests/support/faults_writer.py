"""Writers: units of work that change entities and cause events, as the API would, and a ledger of what was committed.

Versions come from the row that a transaction locks, so the events of one entity have the order of its commits though
several writers share it. A commit whose acknowledgement was lost is asked after with the key that it wrote.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg

from bevyly.clock import FixedClock
from bevyly.db.leadership import DATABASE_AWAY
from bevyly.db.rls import TENANT_SETTING
from bevyly.events.envelope import Event, new_event
from bevyly.events.outbox import outbox_rows
from bevyly.ids import derived_id, new_id
from bevyly.settings import Settings
from tests.support.databases import Database

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = """
create table soak_commits (writer int, number bigint, primary key (writer, number));
grant select, insert on soak_commits to bevyly_app
"""
_OPPORTUNITIES = """
insert into opportunities (customer_id, id, account_id, name, stage, stage_entered_at, version)
select %s, id, %s, 'Deal', 'proposal', now(), 0 from unnest(%s::varchar[]) as new (id)
"""
_KEY = "insert into soak_commits values (%s, %s) on conflict do nothing"
_LOCK = "select id, version from opportunities where id = any(%s) order by id for update"
_CHANGE = """
update opportunities set version = version + given.events
from unnest(%s::varchar[], %s::int[]) as given (id, events) where opportunities.id = given.id
"""
_OUTBOX = """
insert into outbox (customer_id, event_id, topic, envelope)
select customer_id, event_id, topic, envelope
from unnest(%s::varchar[], %s::varchar[], %s::varchar[], %s::text[]) with ordinality
  as given (customer_id, event_id, topic, envelope, n) order by n
"""
# share of transactions, and the most events that one has
_SIZES = ((0.75, 3), (0.2, 100), (0.05, 1_000))


@dataclass
class World:
    """Tenants and their opportunities; all of them open as far as the database knows."""

    entities: dict[str, list[str]]

    @classmethod
    def create(cls, database: Database, *, tenants: int, entities: int) -> "World":
        """Write them to `database`."""
        found = {}
        with psycopg.connect(database.owner_url) as connection:
            for number in range(tenants):
                tenant = database.add_tenant(f"tenant {number}")
                account, ids = new_id(), [derived_id(tenant, str(one)) for one in range(entities)]
                connection.execute("select set_config(%s, %s, true)", (TENANT_SETTING, tenant))
                connection.execute(
                    "insert into accounts (customer_id, id, name) values (%s, %s, 'Account')", (tenant, account)
                )
                connection.execute(_OPPORTUNITIES, (tenant, account, ids))
                found[tenant] = ids
        return cls(found)


class Pace:
    """How many events may be written: as the kills go on, and evenly, so that a kill meets work."""

    def __init__(self, events: int, *, progress: Callable[[], float] = lambda: 1.0, rate: float = 0.0) -> None:
        self.events = events
        self._progress = progress
        self._rate = rate
        self._began = monotonic()
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """Events that were given out to writers."""
        return self._taken

    @property
    def over(self) -> bool:
        """Whether all are given out."""
        return self._taken >= self.events

    def take(self, number: int) -> int:
        """Up to `number` events, 0 where it is too early for them."""
        with self._lock:
            allowed = int(self.events * self._progress())
            if self._rate:
                allowed = min(allowed, int((monotonic() - self._began) * self._rate))
            given = max(0, min(number, allowed - self._taken, self.events - self._taken))
            self._taken += given
            return given


@dataclass
class Commits:
    """What writers saw."""

    acknowledged: int = 0
    asked_after: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0


class Writer(threading.Thread):
    """Commits units of work until its pace is over; what was committed stands in its ledger, a JSON line an event."""

    def __init__(
        self, number: int, settings: Settings, world: World, *, pace: Pace, chance: random.Random, folder: Path
    ) -> None:
        super().__init__(name=f"writer-{number}", daemon=True)
        self.ledger = folder / f"writer-{number}.jsonl"
        self.commits = Commits()
        self.failure: BaseException | None = None
        self._stopped = threading.Event()
        self._number = number
        self._url = settings.require_app_database()
        self._world = world
        self._pace = pace
        self._chance = chance
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def stop(self) -> None:
        """Let it end after its present unit of work, or in the middle of an outage."""
        self._stopped.set()

    def run(self) -> None:
        try:
            with self.ledger.open("wb") as ledger:
                self._write(ledger.write)
        except BaseException as failure:
            self.failure = failure
            raise
        finally:
            self._forget_connection()

    def _write(self, record: Callable[[bytes], int]) -> None:
        commit = 0
        while not self._pace.over and not self._stopped.is_set():
            wanted = self._pace.take(self._size())
            if not wanted:
                self._stopped.wait(0.02)
                continue
            commit += 1
            for event in self._commit(commit, self._plan(wanted)):
                record(event.to_json() + b"\n")

    def _size(self) -> int:
        most = self._chance.choices([most for _, most in _SIZES], [share for share, _ in _SIZES])[0]
        return self._chance.randrange(1, most + 1)

    def _plan(self, wanted: int) -> tuple[str, Counter[str]]:
        tenant = self._chance.choice(list(self._world.entities))
        return tenant, Counter(self._chance.choices(self._world.entities[tenant], k=wanted))

    def _commit(self, number: int, plan: tuple[str, Counter[str]]) -> Sequence[Event]:
        """Try until it is committed; the events that it caused."""
        tried: Sequence[Event] = []
        while not self._stopped.is_set():
            began = monotonic()
            try:
                connection = self._connected()
                with connection.transaction():
                    if not connection.execute(_KEY, (self._number, number)).rowcount:
                        self.commits.asked_after += 1
                        return tried
                    tried = self._unit_of_work(connection, *plan)
            except DATABASE_AWAY as error:
                self.commits.failed[type(error).__name__] += 1
                self._forget_connection()
                self._stopped.wait(0.1)
            else:
                self.commits.acknowledged += 1
                self.commits.slowest = max(self.commits.slowest, monotonic() - began)
                return tried
        return []

    def _unit_of_work(
        self, connection: psycopg.Connection[tuple[Any, ...]], tenant: str, changes: Counter[str]
    ) -> Sequence[Event]:
        connection.execute("select set_config(%s, %s, true)", (TENANT_SETTING, tenant))
        versions = dict(connection.execute(_LOCK, (list(changes),)).fetchall())
        events = [
            make_event(tenant, entity, versions[entity] + step, self._chance)
            for entity, number in changes.items()
            for step in range(1, number + 1)
        ]
        connection.execute(_CHANGE, (list(changes), list(changes.values())))
        rows = outbox_rows(events)
        columns = [[row[name] for row in rows] for name in ("customer_id", "event_id", "topic", "envelope")]
        connection.execute(_OUTBOX, columns)
        return events

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
        return self._connection

    def _forget_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def make_event(tenant: str, opportunity: str, version: int, chance: random.Random) -> Event:
    """A call mostly; now and then something that raises a signal, or ends all of them."""
    kind = chance.random()
    ids: dict[str, Any] = {"opportunity_id": opportunity}
    activity = ids | {"activity_id": new_id(), "kind": "call", "direction": "outbound"}
    if kind < 0.75:
        type_, data = "call.completed", activity
    elif kind < 0.90:
        change = {"before": {"value_minor": 1_000}, "after": {"value_minor": chance.randrange(2_000, 9_000)}}
        type_, data = "opportunity.updated", ids | change
    elif kind < 0.96:
        type_, data = "proposal.replied", activity | {"kind": "proposal", "direction": "inbound"}
    else:
        type_, data = "opportunity.stage_changed", ids | {"to_stage": "lost", "status": "lost"}
    return new_event(
        type_,
        tenant_id=tenant,
        subject=("opportunity", opportunity),
        sequence=version,
        data=data,
        # one second a version: whether a signal was seen before it was closed never hangs on chance
        clock=FixedClock(BEGINNING + timedelta(seconds=version)),
    )
