"""Reconciliation: that outbox and journal, Kafka and raw events hold the same events, per tenant and day.

The order of asking makes what is in flight harmless. First the journal: what it shows, Kafka has acknowledged. Then
Kafka, up to where each partition ends at that moment. Then, of one instant, raw events, how far the ingest is, the
outbox and what the journal has gained: what Kafka showed is in one of the last two, and what the ingest has passed is
in raw events or a dead letter. Everything else waits.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg

from bevyly.settings import Settings
from pipelines.console import Step
from pipelines.reconciliation import carried, compare, tables
from pipelines.reconciliation.carried import Stretch
from pipelines.reconciliation.result import Reconciliation, Window
from pipelines.reconciliation.tables import Connection

MOST_NAMED = 10_000


def silent(done: int, total: int, note: str = "") -> None:
    """Progress that nobody watches."""


def reconcile(
    settings: Settings,
    *,
    since: datetime,
    until: datetime,
    tenant: str | None = None,
    most_named: int = MOST_NAMED,
    address: str | None = None,
    progress: Step = silent,
) -> Reconciliation:
    """Compare what was published from `since` until before `until`, of all tenants or of the one with this id.

    `address` is the database's URL for the pipeline role. Raises `Invalid` for an empty window, `BrokerUnavailable` or
    psycopg's errors. Changes nothing.
    """
    window = Window(since=since, until=until, tenant=tenant)
    with comparison(settings, window, address=address, progress=progress) as (connection, notes):
        return conclude(connection, window, notes, most_named=most_named)


def conclude(connection: Connection, window: Window, compared: "Compared", *, most_named: int) -> Reconciliation:
    """The outcome of a comparison that is still at hand."""
    rows = compare.days(connection)
    notes = list(compared.notes)
    if any(row.unjournaled for row in rows):
        begins = f"begins at {compared.begins:%Y-%m-%d %H:%M:%S} UTC" if compared.begins else "is empty"
        notes.append(f"The journal {begins}: it cannot speak for what came before.")
    return Reconciliation(
        window=window,
        rows=rows,
        findings=compare.findings(connection, most=most_named),
        notes=tuple(notes),
        seconds=time.monotonic() - compared.began,
    )


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What is known besides the tables: what Kafka has forgotten, and since when there is a journal."""

    notes: list[str]
    begins: datetime | None
    began: float


@contextmanager
def comparison(
    settings: Settings, window: Window, *, address: str | None = None, progress: Step = silent
) -> Iterator[tuple[Connection, Compared]]:
    """A session in autocommit whose temporary table `judged` has one row an event of the window."""
    began = time.monotonic()
    url = address or settings.require_pipeline_database()
    with psycopg.connect(url, autocommit=True, connect_timeout=5, application_name="bevyly-reconcile") as connection:
        tables.prepare(connection)
        progress(0, 0, "the journal")
        started = _now(connection)
        tables.gather_journal(connection, window)
        stretches = carried.read(connection, settings, window, progress=progress)
        progress(0, 0, "raw events, and comparing")
        begins = _compare(connection, window, started)
        yield connection, Compared(notes=_notes(window, stretches), begins=begins, began=began)


def _compare(connection: Connection, window: Window, started: datetime) -> datetime | None:
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        tables.gather_positions(connection)
        tables.gather_rest(connection, window.parameters | {"started": started})
        return compare.compare(connection, window, started=started)


def _now(connection: Connection) -> datetime:
    row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


def _notes(window: Window, stretches: list[Stretch]) -> list[str]:
    """What Kafka no longer has of the window."""
    notes = []
    for topic in sorted({one.partition.topic for one in stretches}):
        cut = [one for one in stretches if one.partition.topic == topic and one.cut]
        gone = [one.oldest for one in cut if one.oldest is not None and one.oldest > window.since]
        if gone:
            notes.append(f"Kafka has forgotten what {topic} held before {max(gone):%Y-%m-%d %H:%M:%S} UTC.")
        if any(one.oldest is None for one in cut):
            notes.append(f"Kafka has forgotten all that some partitions of {topic} held.")
    return notes
