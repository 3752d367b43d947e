"""Backtests, and what rankings are worth, as tables for a person and as JSON for a program."""

from typing import Any

from rich.table import Table

from models.backtest.judge import LEVEL, Figure, Standing
from models.backtest.orders import OURS
from models.ranking.catalogue import BY_TYPE
from models.ranking.off_policy import Worth
from pipelines.activation.aftermath import HORIZON
from pipelines.activation.worth import Rankings
from pipelines.backtest.replay import Backtest

_SPAN = f"{LEVEL:.0%} interval"


def tables(found: Backtest) -> list[Table]:
    """How our order stands beside the others, and what became of what was shown."""
    return [_orders(found), _actions(found)]


def as_json(found: Backtest) -> dict[str, Any]:
    """Plain values of everything that the tables say."""
    return {
        "days": [day.isoformat() for day in found.days],
        "horizon_days": HORIZON.days,
        "budget": found.budget,
        "orders": [
            {"order": one.order, "good": vars(one.good), "caught": vars(one.caught) if one.caught else None}
            for one in found.standings
        ],
        "actions": found.actions.to_dicts(),
    }


def _orders(found: Backtest) -> Table:
    title = (
        f"{len(found.days)} days, {found.choices.height:,} choices; good news (an answer or a win) within "
        f"{HORIZON.days} days; {found.budget} items a day and owner"
    )
    table = Table(title=title, box=None, header_style="bold")
    headings = ("order", "good in its top tenth", _SPAN, "ours ahead by", "value caught", _SPAN, "ours ahead by")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for one in found.standings:
        table.add_row(*_cells(one), style="bold" if one.order == OURS else None)
    return table


def _cells(one: Standing) -> tuple[str, ...]:
    return one.order, *_figure(one.good, own=one.order == OURS), *_figure(one.caught, own=one.order == OURS)


def _figure(figure: Figure | None, *, own: bool) -> tuple[str, str, str]:
    if figure is None:
        return "-", "-", "-"
    ahead = "-" if own else f"{figure.ahead:+.3f} ({figure.ahead_low:+.3f} to {figure.ahead_high:+.3f})"
    return f"{figure.value:.3f}", f"{figure.low:.3f}-{figure.high:.3f}", ahead


def _actions(found: Backtest) -> Table:
    table = Table(title="What the briefings showed", box=None, header_style="bold")
    headings = ("action", "items", "done in a week", "good news", "where done", "where not", "of all open")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in found.actions.iter_rows(named=True):
        shares = (_share(row[name]) for name in ("good", "good_if_done", "good_if_not", "base"))
        table.add_row(BY_TYPE[row["action_type"]].label, f"{row['items']:,}", f"{row['done']:,}", *shares)
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def worths(found: Rankings) -> Table:
    """What each ranking was worth, by good news and by what was won."""
    table = Table(title="What advice is worth, by what was offered", box=None, header_style="bold")
    headings = ("ranking", "measure", "cases", "worth", "90% interval", "ahead of the live one by", "support")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number > 1 else "left", no_wrap=True)
    for measure, of in (("good news", found.good), ("won, a case", found.value)):
        digits = 3 if of is found.good else 0
        for name, one in of.items():
            table.add_row(name, measure, *_worth(one, digits))
    if not any(found.good.values()):
        table.caption = f"Nothing to judge yet: what came of an offer shows {HORIZON.days} days after it."
    return table


def worths_as_json(found: Rankings) -> dict[str, Any]:
    """Plain values of the same."""
    return {
        measure: {name: one._asdict() if one else None for name, one in of.items()}
        for measure, of in vars(found).items()
    }


def _worth(one: Worth | None, digits: int) -> tuple[str, ...]:
    if one is None:
        return ("-",) * 5
    ahead = f"{one.ahead:+,.{digits}f} ({one.ahead_low:+,.{digits}f} to {one.ahead_high:+,.{digits}f})"
    span = f"{one.low:,.{digits}f} to {one.high:,.{digits}f}"
    return f"{one.cases:,}", f"{one.value:,.{digits}f}", span, ahead, f"{one.support:.2f}"
