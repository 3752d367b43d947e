"""A report on the forecast of deals with a known truth: its figures, its tables, its card."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from models.forecast.evaluation import CLOSING, DURATIONS, ForecastReport, evaluate
from pipelines.report.files import write_forecast
from pipelines.report.render import forecast_tables
from tests.support.deals import START, Truth, make_deals


@pytest.fixture(scope="module")
def report() -> ForecastReport:
    """Half a year of deals that take months: most of them are still open."""
    snapshots, outcomes = make_deals(months=6, a_month=60, seed=3, truth=Truth(won=0.004, lost=0.001))
    return evaluate(snapshots, outcomes, as_of=START + timedelta(days=6 * 28))


def test_days_are_better_than_those_of_deals_that_were_won_in_time(report: ForecastReport) -> None:
    days = {row["model"]: row for row in report.days}
    assert next(iter(days)) == CLOSING
    assert days[DURATIONS]["crps_more"] > 0
    assert days[DURATIONS]["crps_low"] > 0
    assert len({row["won"] for row in report.days}) == 1, "all are judged on the same wins"
    assert report.amounts["amount_pinball"] < report.amounts["amount_pinball_unchanged"]


def test_sums_are_of_tenants_and_owners_in_windows_of_a_week_and_a_month(report: ForecastReport) -> None:
    assert [(row["days"], row["of"]) for row in report.sums] == [
        (7, "tenant"), (7, "owner"), (28, "tenant"), (28, "owner")
    ]  # fmt: skip
    assert [row["sums"] for row in report.sums if row["of"] == "tenant"] == [14, 3]
    assert report.sums[0]["covered"] > 0.6


def test_tables_and_card_say_the_same(report: ForecastReport, tmp_path: Path) -> None:
    console = Console(record=True, width=170, file=StringIO())
    console.print(*forecast_tables(report))
    shown = console.export_text()
    text, values = write_forecast(tmp_path, "tiny", report)
    crps = f"{report.days[0]['crps']:.3f}"
    assert crps in shown
    assert crps in text.read_text()
    assert json.loads(values.read_text())["judged"] == json.loads(json.dumps(report.plain()))
    assert "## t1" in text.read_text()
