"""Repair: what raw events or Kafka lack is published again from the journal, and the proof is tried once more.

What differs, is doubled, of unknown origin or out of order is for a person: publishing it again would not mend it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from bevyly.privacy.catalogue import ERASED
from bevyly.settings import Settings
from pipelines.console import Step
from pipelines.intake import drain
from pipelines.reconciliation.playback import Pace, Replay, prepare, put_back
from pipelines.reconciliation.proof import MOST_NAMED, comparison, conclude, reconcile, silent
from pipelines.reconciliation.result import Reconciliation, Window
from pipelines.reconciliation.tables import Connection

POLL_SECONDS = 0.2
SETTLE_SECONDS = 60.0

_CHOOSE = f"""
insert into chosen
select row_number() over (order by published_at, position), published_at, position, customer_id,
       pg_temp.said(envelope, 'type')
from (
  select distinct on (customer_id, event_id) published_at, position, customer_id, envelope from event_journal
  where published_at >= %s and envelope <> '{ERASED}' and (customer_id, event_id) in (
    select customer_id, event_id from judged where (missing_in_raw or missing_on_kafka) and journaled)
  order by customer_id, event_id, published_at, position
) as first
"""
_GONE = """
select count(*) from (
  select customer_id, event_id from judged where missing_in_raw or missing_on_kafka
) as missing
where not exists (
  select from event_journal j join chosen c on c.published_at = j.published_at and c.position = j.position
  where j.customer_id = missing.customer_id and j.event_id = missing.event_id)
"""
_WAITING = "select exists (select from outbox where position <= %s)"
_LAST = "select max(position) from outbox"


@dataclass(frozen=True, kw_only=True)
class Repair:
    """What was found, what was published again, and what the same window looks like afterwards."""

    before: Reconciliation
    replayed: int
    gone: int
    after: Reconciliation

    @property
    def words(self) -> list[str]:
        """What a person should know."""
        said = [f"{self.replayed:,} events were published again from the journal."] if self.replayed else []
        if self.gone:
            said.append(
                f"{self.gone:,} missing events or messages are not in the journal: they cannot be published again. "
                "Look for them in the dead letters, or in a backup of the database."
            )
        if self.replayed and not self.after.settled:
            said.append("Some are still on their way: reconcile again when relay and ingest have caught up.")
        left = {kind: number for row in self.after.rows for kind, number in row.damage.items()}
        if left and not self.replayed and not self.gone:
            said.append("Nothing here can be mended by publishing again: see the findings.")
        return said


def repair(
    settings: Settings,
    window: Window,
    *,
    most_named: int = MOST_NAMED,
    progress: Step = silent,
    pace: Pace | None = None,
    settle: Callable[[Settings], None] | None = None,
) -> Repair:
    """Reconcile `window`, publish again what is missing, wait until it has arrived (`settle`), reconcile again."""
    with comparison(settings, window, progress=progress) as (connection, compared):
        before = conclude(connection, window, compared, most_named=most_named)
        replayed, gone = (None, 0) if before.proven else _put_back_missing(connection, window, progress, pace)
    if replayed is None or not replayed.events:
        return Repair(before=before, replayed=0, gone=gone, after=before)
    progress(0, 0, "waiting for the events to arrive")
    (settle or arrive)(settings)
    after = reconcile(
        settings,
        since=window.since,
        until=window.until,
        tenant=window.tenant,
        most_named=most_named,
        progress=progress,
    )
    return Repair(before=before, replayed=replayed.events, gone=gone, after=after)


def _put_back_missing(
    connection: Connection, window: Window, progress: Step, pace: Pace | None
) -> tuple[Replay | None, int]:
    prepare(connection)
    connection.execute(_CHOOSE, (window.parameters["first"],))
    connection.execute("analyze chosen")
    row = connection.execute(_GONE).fetchone()
    told = {"since": window.since, "until": window.until, "reason": "missing, found by reconciliation"}
    return put_back(connection, told, progress=progress, pace=pace), int(row[0]) if row else 0


def arrive(settings: Settings, *, seconds: float = SETTLE_SECONDS) -> None:
    """Wait until what is in the outbox now has left it, then let the ingest store what Kafka holds."""
    wait, deadline = threading.Event(), time.monotonic() + seconds
    with psycopg.connect(settings.require_pipeline_database(), autocommit=True, connect_timeout=5) as connection:
        row = connection.execute(_LAST).fetchone()
        last = row[0] if row else None
        while last is not None and time.monotonic() < deadline:
            found = connection.execute(_WAITING, (last,)).fetchone()
            if not (found and found[0]):
                break
            wait.wait(POLL_SECONDS)
    while drain(settings).ended == "busy" and time.monotonic() < deadline:
        wait.wait(POLL_SECONDS)
