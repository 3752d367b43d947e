"""The report as a table for a person; the numbers come from `run`."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from models.evaluation import Judgement
from models.forecast.evaluation import ForecastReport

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


def forecast_tables(report: ForecastReport) -> list[Table]:
    """Days by model, amounts, and sums. Less CRPS and pinball loss is better; an interval should hold 80 %."""
    days = _plain(
        "forecast: days to a win", ("model", "deals", "CRPS", "more than the first", "won", "pinball", "held")
    )
    for row in report.days:
        more = (
            f"{row['crps_more']:+.3f} ({row['crps_low']:+.3f} to {row['crps_high']:+.3f})"
            if "crps_more" in row
            else "-"
        )
        days.add_row(
            row["model"], str(row["deals"]), f"{row['crps']:.3f}", more, f"{row['won']:.0f}",
            _number(row["days_pinball"]), _share(row["days_covered"]),
        )  # fmt: skip
    amounts = _plain("forecast: amount at the close, as a share of the amount", ("model", "won", "pinball", "held"))
    told = report.amounts
    won = f"{told['won_with_amount']:.0f}"
    amounts.add_row(
        "changes of won deals", won, _number(told.get("amount_pinball")), _share(told.get("amount_covered"))
    )
    amounts.add_row("as it stands", won, _number(told.get("amount_pinball_unchanged")), "-")
    sums = _plain("forecast: sums over a window", ("days", "of", "sums", "held", "expected by won"))
    for row in report.sums:
        sums.add_row(
            str(row["days"]), row["of"], str(row["sums"]), _share(row["covered"]), f"{row['expected_by_won']:.2f}"
        )
    return [days, amounts, sums]


def _plain(title: str, headings: Sequence[str]) -> Table:
    shown = Table(title=title, box=None, header_style="bold")
    for number, heading in enumerate(headings):
        shown.add_column(heading, justify="right" if number else "left", no_wrap=True)
    return shown


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


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
