"""Jobs: what an operator, a sensor or a schedule can start."""

import dagster as dg

ACTIVE = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all(),
    description="Everything, incrementally: events in, features, scores, signals, recommendations, briefings, export.",
    tags={"dagster/max_runtime": 3600},
)

reconcile = dg.define_asset_job(
    "reconcile",
    selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("raw_events"), "reconciled")),
    description="Proves that outbox, Kafka and raw events hold the same events; changes nothing.",
    tags={"dagster/max_runtime": 3600},
)
