"""Schedules: what runs by the clock, whether or not anything happened."""

from datetime import timedelta

import dagster as dg

from pipelines.checks.reconciliation import SINCE_TAG, UNTIL_TAG
from pipelines.jobs import purge, reconcile, refresh, retrain
from pipelines.resources import TRAIN_TAG

# time alone changes what is worth doing: deals grow silent, close dates pass
morning = dg.ScheduleDefinition(
    name="morning",
    description="Refresh: time alone changes what is worth doing.",
    job=refresh,
    cron_schedule="0 5 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

# whether or not anything grew: what was learned a week ago is a week old
sunday = dg.ScheduleDefinition(
    name="sunday",
    description="Train anew what has been learned a week ago.",
    job=retrain,
    cron_schedule="0 4 * * 0",
    execution_timezone="UTC",
    tags={TRAIN_TAG: "the weekly training"},
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

night = dg.ScheduleDefinition(
    name="night",
    description="Forget what has been kept for as long as it should be.",
    job=purge,
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.schedule(
    job=reconcile,
    cron_schedule="30 1 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Reconcile all of the day before with the journal.",
)
def day_before(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Reconcile all of the day before, once what was published at its end has had time to arrive."""
    today = context.scheduled_execution_time.replace(hour=0, minute=0, second=0, microsecond=0)
    tags = {SINCE_TAG: (today - timedelta(days=1)).isoformat(), UNTIL_TAG: today.isoformat()}
    return dg.RunRequest(run_key=today.date().isoformat(), tags=tags)
