"""Checks of the versions in use: what their monitors say, where whoever operates the pipeline looks.

They stop no refresh: a version that is off is shown as less already, and a briefing without probabilities is right.
"""

import dagster as dg

from pipelines.repositories.monitors import alarms_of
from pipelines.resources import Warehouse

MONITORS = {
    "base_rate": "Entities are won as often as the versions in use expect.",
    "features": "Features are what the versions in use learned from.",
    "calibration": "Stored probabilities come true.",
}
_NAMED = 50


def _check(monitor: str, description: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset="model_monitors", name=f"{monitor}_holds", description=description, blocking=False)
    def holds(warehouse: Warehouse) -> dg.AssetCheckResult:
        with warehouse.connect() as connection:
            watched, found = alarms_of(connection, monitor)
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"versions": watched, "alarms": len(found), "which": dg.MetadataValue.json(found[:_NAMED])},
        )

    return holds


def build_checks() -> list[dg.AssetChecksDefinition]:
    """One check a monitor."""
    return [_check(*one) for one in MONITORS.items()]
