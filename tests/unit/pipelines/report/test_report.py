"""A report on rows with a known truth: its files, its table, and the strong library beside ours."""

import json

import numpy as np
import pytest
from rich.console import Console

from models.comparisons import Given
from models.evaluation import evaluate_dataset
from pipelines.report import strong
from pipelines.report.files import write_report
from pipelines.report.render import table
from tests.support.marts import NOW, make_marts


@pytest.fixture(scope="module")
def judgements():
    snapshots, outcomes = make_marts(n=280)
    return evaluate_dataset("conversion", snapshots, outcomes, as_of=NOW, rule="inbound_total")


@pytest.fixture(scope="module")
def folder(judgements, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    files = write_report(folder, "tiny", judgements)
    assert sorted(files) == sorted(path for path in folder.rglob("*") if path.is_file())
    return folder / "tiny"


def test_every_judgement_has_its_plots_and_its_card(folder):
    found = sorted(path.name for path in (folder / "conversion-created-0d").iterdir())
    assert found == ["card.json", "card.md", "lift.png", "over_time.png", "reliability.png"]
    for plot in folder.rglob("*.png"):
        assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_card_holds_the_figures_of_the_judged_rows(folder, judgements):
    ours, rule = judgements[0].rows[:2]
    text = (folder / "conversion-created-0d" / "card.md").read_text()
    assert f"| conversion | {ours['auc']:.3f} ({ours['auc_low']:.3f}–{ours['auc_high']:.3f}) | – |" in text
    assert f"| {rule['auc_ahead']:+.3f} ({rule['auc_ahead_low']:+.3f} to" in text
    assert f"ECE of {ours['ece_noise']:.3f} on so few" in text


def test_the_figures_can_be_read_again(folder, judgements):
    read = json.loads((folder / "report.json").read_text())
    assert read["dataset"] == "tiny"
    assert [one["rows"] for one in read["judged"]] == [one.rows for one in judgements]
    assert [one["curves"] for one in read["judged"]] == [one.curves for one in judgements]


def test_the_table_has_a_line_per_model(judgements):
    console = Console(width=200, record=True)
    console.print(table("tiny", judgements))
    lines = console.export_text().splitlines()
    for row in judgements[0].rows:
        assert any(row["model"] in line and f"{row['auc']:.3f}" in line for line in lines)


def test_catboost_learns_from_numbers_and_levels():
    pytest.importorskip("catboost", reason="NOT TESTED: CatBoost is in the group `report` (uv sync --group report)")
    random = np.random.default_rng(0)
    rows = np.stack([random.normal(size=400), random.integers(0, 4, 400)], axis=1)
    rows[::9] = np.nan
    truth = (rows[:, 0] > 0) | (rows[:, 1] == 2)
    given = Given(taught=rows[:300], y=truth[:300].astype(int), asked=rows[300:], categorical=(1,), seed=0)
    said = strong.strong_models()[strong.CATBOOST](given)
    assert ((said > 0.5) == truth[300:]).mean() > 0.9


def test_without_catboost_there_is_nothing_to_compare_with(monkeypatch):
    monkeypatch.setattr(strong, "find_spec", lambda name: None)
    assert strong.strong_models() == {}
    assert "uv sync --group report" in strong.MISSING
