"""The report as a table for a person; the numbers come from `run`."""

from typing import Any

from rich.table import Table

COLUMNS = ("model", "moment", "n", "AUC", "90 % interval", "PR-AUC", "Brier", "base", "ECE", "lift", "rule AUC")


def table(name: str, rows: list[dict[str, Any]]) -> Table:
    """One line a model and moment; ours in bold."""
    shown = Table(title=f"{name}: older 70 % train, newer 30 % judge", box=None, header_style="bold")
    for number, heading in enumerate(COLUMNS):
        shown.add_column(heading, justify="left" if number < 2 else "right")
    for row in rows:
        shown.add_row(*_cells(row), style="bold" if row.get("display") else None)
    return shown


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    rule = row["rule_auc"]
    return (
        row["model"],
        row["moment"],
        str(row["n"]),
        f"{row['auc']:.3f}",
        f"{row['auc_low']:.3f}-{row['auc_high']:.3f}",
        *(f"{row[name]:.3f}" for name in ("pr_auc", "brier", "brier_base", "ece")),
        f"{row['lift']:.2f}",
        "-" if rule is None else f"{rule:.3f}",
    )
