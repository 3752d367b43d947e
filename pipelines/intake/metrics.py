"""What the ingest tells of itself: how much, how fast, how far behind."""

from prometheus_client import Counter, Gauge, Histogram

ingested = Counter("bevyly_ingested", "Events that arrived", ["outcome"])
from_the_future = Counter("bevyly_ingested_from_the_future", "Events that say they happen after they arrived")
emptied = Counter("bevyly_ingested_emptied", "Events that came late and named somebody who was erased")
batch_events = Histogram(
    "bevyly_ingest_batch_events", "Messages in a batch", buckets=(1, 10, 100, 500, 1_000, 2_000, 4_000, 8_000, 16_000)
)
batch_seconds = Histogram("bevyly_ingest_batch_seconds", "From the first row of a batch to its commit")
waiting = Gauge("bevyly_ingest_lag", "Messages that wait, by what the broker said last", ["topic", "partition"])
newest_age = Gauge("bevyly_ingest_newest_age_seconds", "From Kafka to the commit, for the last message that was stored")
