"""A report on the forecast of deals with a known truth: its figures, its tables, its card."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from models.forecast.evaluation import CLOSING, DURATIONS, ForecastReport, evaluate
from pipelines.report.files import write_forecast
from pipelines.report.render import forecast_tables
from tests.support.deals import START, make_deals


@pytest.fixture(scope="module")
def report() -> ForecastReport:
    """As of the end of a year: deals that are still open are many."""
    snapshots, outcomes = make_deals(months=12, a_month=30, seed=3)
    return evaluate(snapshots, outcomes, as_of=START + timedelta(days=12 * 28))


def test_days_are_better_than_those_of_deals_that_were_won_in_time(report: ForecastReport) -> None:
    days = {row["model"]: row for row in report.days}
    assert next(iter(days)) == CLOSING
    assert days[DURATIONS]["crps_more"] > 0
    assert len({row["won"] for row in report.days}) == 1, "all are judged on the same wins"
    assert report.amounts["amount_pinball"] < report.amounts["amount_pinball_unchanged"]


def test_sums_are_of_tenants_and_owners_in_windows_of_a_week_and_a_month(report: ForecastReport) -> None:
    assert [(row["days"], row["of"]) for row in report.sums] == [
        (7, "tenant"), (7, "owner"), (28, "tenant"), (28, "owner")
    ]  # fmt: skip
    assert report.sums[0]["sums"] == 28
    assert all(row["covered"] > 0.6 for row in report.sums)


def test_tables_and_card_say_the_same(report: ForecastReport, tmp_path: Path) -> None:
    console = Console(record=True, width=170, file=(tmp_path / "out").open("w"))
    console.print(*forecast_tables(report))
    shown = console.export_text()
    text, values = write_forecast(tmp_path, "tiny", report)
    crps = f"{report.days[0]['crps']:.3f}"
    assert crps in shown
    assert crps in text.read_text()
    assert json.loads(values.read_text())["judged"] == json.loads(json.dumps(report.plain()))
    assert "## t1" in text.read_text()
