"""The nightly purge as Dagster runs it."""

import dagster as dg
import psycopg

from pipelines.jobs import purge
from pipelines.resources import Warehouse
from pipelines.schedules import night
from tests.support.databases import Database


def test_the_job_removes_what_is_over_and_says_how_much(database: Database) -> None:
    tenant = database.add_tenant("ours")
    with psycopg.connect(database.pipeline_url) as connection:
        for key, days in (("over", -1), ("kept", 1)):
            connection.execute(
                "insert into idempotency_records (customer_id, key, request_hash, expires_at) "
                "values (%s, %s, 'h', now() + make_interval(days => %s))",
                (tenant, key, days),
            )
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"warehouse": Warehouse(url=database.pipeline_url)}
        result = purge.execute_in_process(instance=instance, resources=resources)
    assert result.output_for_node("forget") == {"idempotency_records": 1}
    with psycopg.connect(database.pipeline_url) as connection:
        assert connection.execute("select key from idempotency_records").fetchall() == [("kept",)]
    assert (night.job_name, night.default_status) == ("purge", dg.DefaultScheduleStatus.RUNNING)
