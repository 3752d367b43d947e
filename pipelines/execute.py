"""Running the refresh job in this process, telling how far it is. Dagster's UI shows such a run as any other."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import dagster as dg

from bevyly.errors import BevylyError, Conflict
from bevyly.runtime.catalogue import prepare_dagster_home
from bevyly.settings import get_settings
from pipelines.console import quiet
from pipelines.freshness import failure_reason, mark_all_stale
from pipelines.jobs import refresh
from pipelines.resources import AS_OF_TAG, Warehouse
from pipelines.runs import process_tag, refresh_under_way

LOG = "refresh.log"
POLL_SECONDS = 0.3
# done, of all, and what is being worked on
Progress = Callable[[int, int, str], None]
_ENDED = {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.STEP_SKIPPED}


class RefreshFailed(BevylyError):
    """A step or a blocking check failed; the last good briefings stay, marked stale."""

    code, status, title = "refresh_failed", 500, "The refresh failed"


def refresh_now(*, as_of: datetime | None = None, progress: Progress) -> str:
    """Run everything once, incrementally; returns the run's id. What Dagster and dbt print goes to `logs/refresh.log`.

    Raises `Conflict` where a refresh is under way, and `RefreshFailed` after marking the briefings stale.
    """
    settings = get_settings()
    # said now, not after seconds of imports
    settings.require_pipeline_database()
    settings.require_kafka()
    home = settings.home
    os.environ.setdefault("DAGSTER_HOME", str(prepare_dagster_home(home)))
    with quiet(home / "logs" / LOG):
        return _refresh(as_of=as_of, progress=progress)


def _refresh(*, as_of: datetime | None, progress: Progress) -> str:
    from pipelines.definitions import defs

    job = defs.resolve_job_def(refresh.name)
    with dg.DagsterInstance.get() as instance:
        if refresh_under_way(instance):
            raise Conflict("A refresh is under way: wait for it, or look at it in the Dagster UI.")
        tags, run_id = process_tag() | ({AS_OF_TAG: as_of.isoformat()} if as_of else {}), str(uuid4())
        with _watched(instance, run_id, len(job.nodes), progress):
            result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False, run_id=run_id)
    if not result.success:
        reason = _failure(result)
        with Warehouse().connect() as connection:
            mark_all_stale(connection, reason=failure_reason(reason), at=datetime.now(UTC))
        raise RefreshFailed(f"The refresh failed, briefings are as before: {reason} (see logs/{LOG})")
    return run_id


@contextmanager
def _watched(instance: dg.DagsterInstance, run_id: str, steps: int, progress: Progress) -> Iterator[None]:
    """Tell `progress` of the run's steps until the block ends."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL_SECONDS):
            events = [record.dagster_event for record in instance.all_logs(run_id) if record.dagster_event]
            done = {event.step_key for event in events if event.event_type in _ENDED}
            begun = [event.step_key for event in events if event.event_type is dg.DagsterEventType.STEP_START]
            current = next((key for key in reversed(begun) if key not in done), "")
            progress(len(done), steps, current or "")

    watcher = threading.Thread(target=watch, name="progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _failure(result: dg.ExecuteInProcessResult) -> str:
    """The first failed step, or failed blocking check, in words."""
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            error = event.step_failure_data.error
            cause = error.cause if error and error.cause else error
            return f"{event.step_key}: {cause.message.strip() if cause else 'no reason given'}"
    return "no step says why"
