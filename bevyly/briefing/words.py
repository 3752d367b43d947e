"""The words around the facts of a briefing, the same on every page: money, chances, moments.

Belongs here: how one value reads. Which values there are is `page`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bevyly.money import exponent

Row = Mapping[str, Any]


def whole(amount_minor: int, currency: str | None) -> str:
    """`EUR 15,000`; nobody decides on cents."""
    code = currency or "EUR"
    return f"{code} {round(amount_minor / 10 ** exponent(code)):,}"


def span(value: Row) -> str:
    """Between what an expected value lies: `120 to 800`, `up to 800`."""
    low, high = (whole(value[end], value["currency"]).partition(" ")[2] for end in ("low_minor", "high_minor"))
    return f"{low} to {high}" if value["low_minor"] > 0 else f"up to {high}"


def chance(probability: Row) -> str:
    """`chance 40 %, 45 % with it`, or only as much as may be shown."""
    if probability["now"] is None:
        return ""
    if probability["display"] == "band":
        return f"band {probability['band']}"
    if probability["display"] == "rules":
        return "chance by rule of thumb"
    now, then = round(100 * probability["now"]), round(100 * probability["with_action"])
    return f"chance {now} %" + (f", {then} % with it" if then != now else "")


def moment(instant: str) -> str:
    """`20 Nov 06:00`."""
    return f"{datetime.fromisoformat(instant):%d %b %H:%M}"


def worded(item: Row) -> str:
    """Why an item is worth doing: a model's sentences, where there are checked ones, else ours."""
    return str((item.get("wording") or {}).get("text") or item["rationale"])
