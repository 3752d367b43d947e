"""What the relay tells about itself. Each figure costs a look at the end of an index or at the catalogue, no more."""

from typing import Any

import psycopg
from prometheus_client import Counter, Gauge, Histogram

published = Counter("bevyly_relay_published", "Events that Kafka acknowledged", ["topic"])
batches = Histogram(
    "bevyly_relay_batch_events", "Events published at once", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000)
)
wakeups = Counter("bevyly_relay_wakeups", "Ends of a wait for events", ["cause"])
waiting = Gauge("bevyly_relay_waiting", "Events in the outbox, at most")
oldest = Gauge("bevyly_relay_oldest_seconds", "Age of the oldest event in the outbox")
leading = Gauge("bevyly_relay_leading", "1 while this relay leads")
journal_rows = Gauge("bevyly_relay_journal_rows", "Events in the journal, as last counted by autovacuum")
journal_partitions = Gauge("bevyly_relay_journal_partitions", "Partitions of the journal")

_MEASURE = """
select coalesce((select max(position) from outbox) - position + 1, 0), extract(epoch from now() - created_at)
from outbox order by position limit 1
"""
_JOURNAL = """
select count(*), coalesce(sum(greatest(c.reltuples, 0)), 0)
from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'public.event_journal'::regclass
"""


def measure(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Set the gauges from what the database says."""
    row = connection.execute(_MEASURE).fetchone() or (0, 0.0)
    waiting.set(row[0])
    oldest.set(row[1])
    partitions, rows = connection.execute(_JOURNAL).fetchone() or (0, 0)
    journal_partitions.set(partitions)
    journal_rows.set(rows)
