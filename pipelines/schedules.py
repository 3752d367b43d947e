"""Schedules: what runs by the clock, whether or not anything happened."""

import dagster as dg

from pipelines.jobs import refresh

# time alone changes what is worth doing: deals grow silent, close dates pass
morning = dg.ScheduleDefinition(
    name="morning",
    job=refresh,
    cron_schedule="0 5 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
