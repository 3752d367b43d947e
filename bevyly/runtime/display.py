"""The table that `bevyly up` and `bevyly status` show. Only looks: no decisions."""

from datetime import UTC, datetime

from rich.table import Table

from bevyly.runtime.state import UnitState

COLOURS = {"ready": "green", "done": "green", "starting": "yellow", "waiting": "dim", "restarting": "red"}


def table(units: list[UnitState], *, now: float) -> Table:
    shown = Table(box=None, pad_edge=False)
    for heading in ("service", "state", "for", "restarts", "address"):
        shown.add_column(heading, header_style="bold", justify="right" if heading in ("for", "restarts") else "left")
    for unit in units:
        colour = COLOURS.get(unit.state, "red")
        state = f"[{colour}]{unit.state}[/{colour}]"
        shown.add_row(unit.name, state, _age(now - unit.since), str(unit.restarts or ""), unit.address)
    return shown


def since_text(seconds: float) -> str:
    """An instant as RFC 3339, for the JSON output."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _age(seconds: float) -> str:
    minutes, rest = divmod(int(max(0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
