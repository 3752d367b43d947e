"""Every notebook runs from top to bottom on what it reads, an export or a report, and shows its plots."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from models.evaluation import evaluate_dataset
from pipelines.report.files import write_report
from tests.support.marts import NOW, make_marts
from tests.support.pipeline_runs import Chapter

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))
PLOTS = {"01_funnel_and_reliability.ipynb": 2, "02_scores_on_public_data.ipynb": 1}
OF_EXPORT, OF_REPORT = (["01_funnel_and_reliability.ipynb"], "02_scores_on_public_data.ipynb")

# the kernel's client warns of event loops and sockets as it starts and stops; what a cell does runs in the kernel
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Kernels keep their files here, and draw without a screen."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    yield


def execute(name: str, folder: Path) -> Any:
    """The executed notebook, run in `folder`; raises `CellExecutionError` for a cell that fails."""
    notebook = nbformat.read(FOLDER / name, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    return client.execute()


def outputs(notebook: Any) -> list[Any]:
    """All outputs of all cells."""
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def shows_its_plots(name: str, folder: Path) -> None:
    """Run it, and hold its outputs to what it promises."""
    shown = outputs(execute(name, folder))
    assert sum("image/png" in output.get("data", {}) for output in shown) == PLOTS[name]
    assert not [output for output in shown if output.output_type == "error" or output.get("name") == "stderr"]


def test_every_notebook_says_how_many_plots_it_has() -> None:
    assert set(PLOTS) == set(NOTEBOOKS)


@pytest.mark.parametrize("name", OF_EXPORT)
def test_it_runs_and_shows_its_plots(name: str, past: Chapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEVYLY_EXPORT", str(past.pipeline.exports))
    shows_its_plots(name, tmp_path)


@pytest.mark.parametrize("name", OF_EXPORT)
def test_without_an_export_it_says_what_to_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEVYLY_EXPORT", str(tmp_path))
    with pytest.raises(CellExecutionError, match=r"There is no export in .*run `bevyly run`"):
        execute(name, tmp_path)


def test_a_report_is_shown_with_its_plots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots, outcomes = make_marts(n=280)
    judged = evaluate_dataset("conversion", snapshots, outcomes, as_of=NOW, rule="inbound_total")
    write_report(tmp_path / "report", "tiny", judged)
    monkeypatch.setenv("BEVYLY_REPORT", str(tmp_path / "report"))
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    shows_its_plots(OF_REPORT, tmp_path)


def test_without_a_report_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEVYLY_REPORT", str(tmp_path))
    with pytest.raises(CellExecutionError, match=r"There is no report in .*run `bevyly report"):
        execute(OF_REPORT, tmp_path)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_kept_without_outputs(name: str) -> None:
    notebook = nbformat.read(FOLDER / name, as_version=4)
    nbformat.validate(notebook)
    assert outputs(notebook) == []
    assert all(cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
