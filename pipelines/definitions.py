"""What Dagster loads: assets, checks, jobs, schedules and sensors, assembled once; tests override the resources."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from pipelines.assets import activation, enrichment, export, features, ingest, scores
from pipelines.checks import blocking, models, reconciliation
from pipelines.jobs import purge, reconcile, refresh, retrain
from pipelines.resources import Artefacts, Folder, Warehouse
from pipelines.schedules import day_before, morning, night, sunday
from pipelines.sensors import drift_found, events_waiting, stale_after_failure


def build_definitions(overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions; `overrides` replaces resources by name."""
    dbt_models, dbt = features.build_dbt_assets()
    resources: dict[str, Any] = {
        "warehouse": Warehouse(),
        "dbt": dbt,
        "artefacts": Artefacts(),
        "exports": Folder(name="export"),
    }
    return dg.Definitions(
        assets=[dbt_models, *dg.load_assets_from_modules([ingest, enrichment, scores, activation, export])],
        asset_checks=[*blocking.build_checks(), *models.build_checks(), *reconciliation.build_checks()],
        jobs=[refresh, reconcile, purge, retrain],
        schedules=[morning, day_before, night, sunday],
        sensors=[events_waiting, drift_found, stale_after_failure],
        resources=resources | dict(overrides or {}),
        executor=dg.in_process_executor,
    )


defs = build_definitions()
