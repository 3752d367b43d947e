"""From Kafka into PostgreSQL: reading events, checking them, storing them once, and where each consumer stands.

Shared by the Dagster asset, the streams and the tests. Does not belong here: what follows from an event.
"""

from pipelines.intake.ingest import GROUP, IngestResult, drain, follow

__all__ = ["GROUP", "IngestResult", "drain", "follow"]
