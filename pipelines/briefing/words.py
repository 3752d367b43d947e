"""The sentences of a briefing that are not about one item: sums, the headline.

Belongs here: deterministic text. A model may rewrite it later, checked against the same facts.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bevyly.briefing.words import whole


def totals(rows: Sequence[Mapping[str, Any]], amount: str) -> list[dict[str, Any]]:
    """Sums of `amount` by currency, the largest first; rows without amount or currency do not count."""
    sums: dict[str, int] = defaultdict(int)
    for row in rows:
        if row[amount] is not None and row["currency"]:
            sums[row["currency"]] += row[amount]
    return [
        {"currency": code, "amount_minor": total} for code, total in sorted(sums.items(), key=lambda p: (-p[1], p[0]))
    ]


def headline(items: Sequence[Mapping[str, Any]]) -> str:
    """One sentence for the top of the page."""
    if not items:
        return "Nothing needs you today."
    count = "One thing is" if len(items) == 1 else f"{len(items)} things are"
    worth = totals(items, "expected_value_minor")
    sums = " and ".join(whole(total["amount_minor"], total["currency"]) for total in worth)
    together = f", worth about {sums}" + (" together" if len(items) > 1 else "") if sums else ""
    return f"{count} worth doing today{together}. First: {items[0]['title']}."
