"""The report as a table for a person; the numbers come from `run`."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from models.evaluation import Judgement

COLUMNS = (
    *("model", "moment", "n", "AUC", "90 % interval", "ours ahead by"),
    *("PR-AUC", "Brier", "base", "ECE", "by chance", "lift"),
)


def table(name: str, judgements: Sequence[Judgement]) -> Table:
    """One line a model and moment; ours in bold. "By chance" is the ECE of a perfectly calibrated model of the same
    sharpness on so few rows.
    """
    shown = Table(title=f"{name}: older 70 % train, newer 30 % judge", box=None, header_style="bold")
    for number, heading in enumerate(COLUMNS):
        shown.add_column(heading, justify="left" if number < 2 else "right", no_wrap=True)
    for judgement in judgements:
        for place, row in enumerate(judgement.rows):
            last = place == len(judgement.rows) - 1
            shown.add_row(*_cells(row), style=None if place else "bold", end_section=last)
    return shown


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    ahead = "-"
    if "auc_ahead" in row:
        ahead = f"{row['auc_ahead']:+.3f} ({row['auc_ahead_low']:+.3f} to {row['auc_ahead_high']:+.3f})"
    return (
        row["model"],
        row["moment"],
        str(row["n"]),
        f"{row['auc']:.3f}",
        f"{row['auc_low']:.3f}-{row['auc_high']:.3f}",
        ahead,
        *(_number(row[name]) for name in ("pr_auc", "brier", "brier_base", "ece", "ece_noise")),
        f"{row['lift']:.2f}",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
