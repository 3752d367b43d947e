"""Replay: what was published goes through the outbox again, in its order, as the journal keeps it.

Consumers know every event by its id, so a replay reaches those that lost it and changes nothing for the others. Live
traffic comes first: a chunk waits until the outbox is nearly empty. Belongs here: choosing and putting back. Sending
is the relay's.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from bevyly.db.leadership import limit_silence
from bevyly.errors import Unavailable
from bevyly.ids import new_id
from bevyly.privacy.catalogue import ERASED
from bevyly.settings import Settings
from pipelines.console import Step
from pipelines.reconciliation.audit import record
from pipelines.reconciliation.proof import silent
from pipelines.reconciliation.result import Window
from pipelines.reconciliation.tables import Connection

CHUNK = 1_000
# live events wait behind at most this many and one chunk
MOST_WAITING = 1_000
POLL_SECONDS = 0.05
PATIENCE_SECONDS = 60.0

_PREPARE = """
set work_mem = '64MB';
create temporary table if not exists chosen (
  n bigint, published_at timestamptz, position bigint, customer_id varchar(36), type text
);
truncate chosen;
create or replace function pg_temp.said(envelope text, attribute text) returns text language plpgsql stable as $$
begin
  return envelope::jsonb->>attribute;
exception when data_exception then
  return null;
end $$;
"""
# An event that was published more than once is replayed once, at its first place.
_CHOOSE = f"""
insert into chosen
select row_number() over (order by published_at, position), published_at, position, customer_id,
       pg_temp.said(envelope, 'type')
from (
  select distinct on (customer_id, event_id) published_at, position, customer_id, envelope from event_journal
  where published_at >= %(since)s and published_at < %(until)s
    and (%(tenant)s::varchar is null or customer_id = %(tenant)s) and envelope <> '{ERASED}'
    and (%(type)s::text is null or pg_temp.said(envelope, 'type') = %(type)s)
    and (%(subject)s::text is null or pg_temp.said(envelope, 'subject') = %(subject)s)
  order by customer_id, event_id, published_at, position
) as first
"""
_CHOSEN = "select customer_id, type, count(*) from chosen group by customer_id, type order by customer_id, type"
_PUT_BACK = """
insert into outbox (customer_id, event_id, topic, envelope)
select j.customer_id, j.event_id, j.topic, j.envelope
from chosen c join event_journal j on j.published_at = c.published_at and j.position = c.position
where c.n > %s and c.n <= %s
order by c.n
"""
_DEPTH = "select count(*) from (select from outbox limit %s) as waiting"


class OutboxNotEmptied(Unavailable):
    """The outbox stayed full for so long that no relay seems to run."""

    code = "outbox_not_emptied"


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What was put back into the outbox, or would be: `chosen` by tenant id and event type."""

    id: str
    chosen: Mapping[tuple[str, str], int]
    events: int
    seconds: float

    @property
    def per_tenant(self) -> dict[str, int]:
        """How many events of each tenant were chosen."""
        tenants: dict[str, int] = {}
        for (customer_id, _), number in self.chosen.items():
            tenants[customer_id] = tenants.get(customer_id, 0) + number
        return tenants


def replay(
    settings: Settings,
    *,
    since: datetime,
    until: datetime,
    tenant: str | None = None,
    type_: str | None = None,
    subject: str | None = None,
    dry_run: bool = False,
    progress: Step | None = None,
    stop: threading.Event | None = None,
    pace: "Pace | None" = None,
) -> Replay:
    """Publish again what was published from `since` until before `until`; `subject` as events name it, `account/0192…`.

    What is published while this runs is not replayed. Each tenant's audit says who did it and how much there was.
    Raises `Invalid` for an empty window, `OutboxNotEmptied` when no relay runs, or psycopg's errors; what was put back
    by then stays.
    """
    window = Window(since=since, until=until, tenant=tenant)
    wanted = window.parameters | {"type": type_, "subject": subject}
    url = settings.require_pipeline_database()
    with psycopg.connect(url, autocommit=True, connect_timeout=5, application_name="bevyly-replay") as connection:
        prepare(connection)
        connection.execute(_CHOOSE, wanted)
        if dry_run:
            return Replay(id=new_id(), chosen=_chosen(connection), events=0, seconds=0.0)
        told = {"since": since, "until": until, "type": type_, "subject": subject}
        return put_back(connection, told, progress=progress, stop=stop, pace=pace)


def prepare(connection: Connection) -> None:
    """Make the temporary table `chosen`: which entries of the journal are to be published again, `n` their order."""
    limit_silence(connection, seconds=PATIENCE_SECONDS)
    connection.execute(_PREPARE)


def put_back(
    connection: Connection,
    told: Mapping[str, Any],
    *,
    progress: Step | None = None,
    stop: threading.Event | None = None,
    pace: "Pace | None" = None,
) -> Replay:
    """Put what is in `chosen` into the outbox, a chunk at a time; `told` is what the audit says of the choice."""
    began, identity, chosen = time.monotonic(), new_id(), _chosen(connection)
    total, done, put = sum(chosen.values()), 0, 0
    pace, stop, progress = pace or Pace(), stop or threading.Event(), progress or silent
    result = Replay(id=identity, chosen=chosen, events=0, seconds=0.0)
    record(connection, identity, result.per_tenant, told)
    connection.execute("analyze chosen")
    while done < total and pace.wait(connection, stop):
        put += connection.execute(_PUT_BACK, (done, done + pace.chunk)).rowcount
        done = min(done + pace.chunk, total)
        progress(done, total, f"{done:,} of {total:,} events")
    return Replay(id=identity, chosen=chosen, events=put, seconds=time.monotonic() - began)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a replay may be: `chunk` events at once, and only while fewer than `most_waiting` are in the outbox."""

    chunk: int = CHUNK
    most_waiting: int = MOST_WAITING
    patience_seconds: float = PATIENCE_SECONDS

    def wait(self, connection: Connection, stop: threading.Event) -> bool:
        """Whether to go on, once there is room in the outbox; False when `stop` was set."""
        deadline = time.monotonic() + self.patience_seconds
        while not stop.is_set():
            if self._depth(connection) < self.most_waiting:
                return True
            if time.monotonic() > deadline:
                raise OutboxNotEmptied(
                    f"The outbox holds {self.most_waiting:,} events or more for {self.patience_seconds:.0f} s: "
                    "does a relay run? What was put back stays; start the replay again from where it ended."
                )
            stop.wait(POLL_SECONDS)
        return False

    def _depth(self, connection: Connection) -> int:
        row = connection.execute(_DEPTH, (self.most_waiting,)).fetchone()
        return int(row[0]) if row else 0


def _chosen(connection: Connection) -> dict[tuple[str, str], int]:
    rows: Sequence[tuple[Any, ...]] = connection.execute(_CHOSEN).fetchall()
    return {(customer_id, type_ or "(unreadable)"): number for customer_id, type_, number in rows}
