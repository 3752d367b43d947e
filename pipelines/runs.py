"""Refreshes under way, and those that only seem to be: a killed process leaves its run as started for ever."""

import dagster as dg
import psutil

from pipelines.jobs import ACTIVE, refresh

PROCESS_TAG = "bevyly/process"


def process_tag() -> dict[str, str]:
    """What marks a run as executed by this process: its id and when it started, since ids are used again."""
    myself = psutil.Process()
    return {PROCESS_TAG: f"{myself.pid}@{myself.create_time()}"}


def refresh_under_way(instance: dg.DagsterInstance) -> bool:
    """Whether a refresh runs now; a run whose process is gone is reported as failed and does not count."""
    runs = instance.get_runs(dg.RunsFilter(job_name=refresh.name, statuses=ACTIVE))
    gone = [run for run in runs if _process_is_gone(run.tags.get(PROCESS_TAG))]
    for run in gone:
        instance.report_run_failed(run, "The process that executed this run is gone.")
    return len(gone) < len(runs)


def _process_is_gone(tag: str | None) -> bool:
    if tag is None:
        return False
    pid, _, started = tag.partition("@")
    try:
        return psutil.Process(int(pid)).create_time() != float(started)
    except psutil.NoSuchProcess:
        return True
