"""Jobs: what an operator, a sensor or a schedule can start."""

from datetime import UTC, datetime

import dagster as dg
import psycopg
import structlog

from bevyly.privacy.retention import purge as purge_what_is_over
from bevyly.settings import get_settings
from pipelines.resources import Warehouse

ACTIVE = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all(),
    description="Everything, incrementally: events in, features, scores, signals, recommendations, briefings, export.",
    tags={"dagster/max_runtime": 3600},
)

retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.assets("model_versions", "model_monitors", "scores", "opportunity_forecasts"),
    description="Trains every score on the features at hand, judges challengers, and scores with what is in use.",
    tags={"dagster/max_runtime": 3600},
)

reconcile = dg.define_asset_job(
    "reconcile",
    selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("raw_events"), "reconciled")),
    description="Proves that outbox, Kafka and raw events hold the same events; changes nothing.",
    tags={"dagster/max_runtime": 3600},
)


@dg.op(out=dg.Out(dict[str, int], description="rows that went, by table"))
def forget(context: dg.OpExecutionContext, warehouse: Warehouse) -> dict[str, int]:
    """Remove what was kept long enough, in batches that hold no lock for long."""
    with psycopg.connect(warehouse.address, autocommit=True, application_name="bevyly-purge") as connection:
        counts = purge_what_is_over(connection, get_settings(), datetime.now(UTC))
    structlog.get_logger().info("purged", **counts)
    context.add_output_metadata({"rows": sum(counts.values()), "tables": dg.MetadataValue.json(counts)})
    return counts


@dg.job(
    tags={"dagster/max_runtime": 3600}, description="Removes what was kept long enough: see docs/guides/privacy.md."
)
def purge() -> None:
    """What is over, once a day."""
    forget()
