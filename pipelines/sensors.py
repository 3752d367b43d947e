"""Sensors: what runs because something happened."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from bevyly.settings import get_settings
from pipelines.freshness import failure_reason, mark_all_stale
from pipelines.intake.lag import total_lag
from pipelines.jobs import refresh, retrain
from pipelines.repositories.monitors import unanswered
from pipelines.resources import Warehouse
from pipelines.runs import refresh_under_way


@dg.sensor(
    job=refresh,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Refresh when events wait on Kafka and no refresh is under way.",
)
def events_waiting(
    context: dg.SensorEvaluationContext, warehouse: Warehouse
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Refresh when events wait on Kafka and no refresh is under way."""
    if refresh_under_way(context.instance):
        yield dg.SkipReason("a refresh is under way")
        return
    lag = total_lag(get_settings(), warehouse.address)
    if lag:
        yield dg.RunRequest(tags={"bevyly/lag": str(lag)})
    else:
        yield dg.SkipReason("no events wait")


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Train anew what a monitor says is off, once for each alarm.",
)
def drift_found(context: dg.SensorEvaluationContext, warehouse: Warehouse) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Train anew what a monitor says is off, unless that was done since; once for each alarm."""
    if refresh_under_way(context.instance):
        yield dg.SkipReason("a refresh is under way")
        return
    with warehouse.connect() as connection:
        alarms = unanswered(connection)
    if alarms:
        yield dg.RunRequest(run_key="|".join(f"{score_type}@{since.isoformat()}" for score_type, since in alarms))
    else:
        yield dg.SkipReason("no monitor alarms that was not answered by a training")


@dg.run_failure_sensor(monitored_jobs=[refresh], default_status=dg.DefaultSensorStatus.RUNNING)
def stale_after_failure(context: dg.RunFailureSensorContext, warehouse: Warehouse) -> None:
    """A refresh that failed leaves the last good briefings in place, marked stale with the reason."""
    with warehouse.connect() as connection:
        reason = failure_reason(context.failure_event.message or "the refresh failed")
        mark_all_stale(connection, reason=reason, at=datetime.now(UTC))
