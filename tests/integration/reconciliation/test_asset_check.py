"""The asset check: passes, fails with the names of what is missing, and never fails a refresh."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from bevyly.settings import Settings
from pipelines.checks import reconciliation
from pipelines.checks.reconciliation import SINCE_TAG, UNTIL_TAG, window
from pipelines.jobs import reconcile
from pipelines.resources import Warehouse
from pipelines.schedules import day_before
from tests.support.event_path import EventPath


@dg.asset
def raw_events() -> None:
    """Stands in for the ingest."""


@pytest.fixture
def check(path: EventPath, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the job of the check on everything since the test began."""
    monkeypatch.setattr(reconciliation, "get_settings", lambda: path.settings)
    definitions = dg.Definitions(
        assets=[raw_events],
        asset_checks=reconciliation.build_checks(),
        jobs=[reconcile],
        resources={"warehouse": Warehouse(url=path.settings.require_pipeline_database())},
    )
    job = definitions.resolve_job_def("reconcile")

    def run(**tags: str) -> dg.AssetCheckEvaluation:
        tags = tags or {SINCE_TAG: path.began.isoformat()}
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance, tags=tags)
        assert result.success
        (evaluation,) = result.get_asset_check_evaluations()
        return evaluation

    return run


def test_it_passes_with_counts_per_place(path: EventPath, check: Any) -> None:
    path.run(20)
    found = check()
    assert found.passed
    assert {name: found.metadata[name].value for name in ("journal", "kafka", "raw")} == {
        "journal": 20,
        "kafka": 20,
        "raw": 20,
    }
    assert "| ours |" in found.metadata["rows"].value


def test_what_was_erased_is_accounted_for(path: EventPath, check: Any) -> None:
    """Its place in the journal and in raw events is kept, and what Kafka still says differs from both."""
    erased = path.run(20)[3]
    path.execute("update raw.events set data = '{}' where event_id = %s", (erased.id,))
    assert not check().passed
    path.execute("select erase_from_journal(%s, %s, %s)", (erased.tenant_id, erased.id, [f"%{erased.id}%"]))
    assert check().passed


def test_it_fails_as_an_error_with_names_and_does_not_block(path: EventPath, check: Any) -> None:
    lost = path.run(20)[3]
    path.execute("delete from raw.events where event_id = %s", (lost.id,))
    found = check()
    assert (found.passed, found.severity, found.blocking) == (False, dg.AssetCheckSeverity.ERROR, False)
    assert found.metadata["findings"].value == [f"{lost.id}: on Kafka, not in raw events"]
    assert "missing in raw" in found.description


def test_a_broker_that_is_away_is_a_warning(path: EventPath, check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "get_settings", lambda: Settings(kafka_brokers="127.0.0.1:1"))
    monkeypatch.setattr("pipelines.reconciliation.carried.partitions_of", _unanswered)
    found = check()
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "Kafka does not answer" in found.description


def _unanswered(*_: Any) -> None:
    from bevyly.events.bus import BrokerUnavailable

    raise BrokerUnavailable("Kafka does not answer")


def test_the_window_is_the_last_hours_or_what_the_tags_say() -> None:
    now = datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert window({}, now=now) == (now - timedelta(hours=6), now)
    given = {SINCE_TAG: "2026-11-20T00:00:00+00:00", UNTIL_TAG: "2026-11-21T00:00:00+00:00"}
    assert window(given, now=now) == (datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))


def test_the_schedule_asks_for_the_day_before() -> None:
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 23, 1, 30, tzinfo=UTC))
    request = day_before(context)
    assert isinstance(request, dg.RunRequest)
    assert (request.tags[SINCE_TAG], request.tags[UNTIL_TAG]) == (
        "2026-11-22T00:00:00+00:00",
        "2026-11-23T00:00:00+00:00",
    )
