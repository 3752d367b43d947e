"""Raw events: what Kafka carries, in PostgreSQL exactly once."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from bevyly.settings import get_settings
from pipelines.intake import drain
from pipelines.resources import Warehouse, seconds_and_rows


@dg.asset(group_name="ingest", owners=["team:data"], kinds={"kafka", "postgres"})
def raw_events(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """Every event of every topic since the last run: COPY in micro-batches, offsets in the same transaction."""
    started = datetime.now(UTC)
    result = drain(get_settings(), warehouse.address)
    context.log.info(f"{result.rows} new events, {result.duplicates} repeated, {result.dead_letters} dead-lettered")
    return dg.MaterializeResult(
        metadata=seconds_and_rows(result.rows, started, duplicates=result.duplicates, dead_letters=result.dead_letters)
    )
