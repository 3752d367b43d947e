"""What fits into one person's attention: the most valuable items, of several kinds, and a count of the rest.

Belongs here: the budget. What is worth how much was decided by ranking.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

from models.ranking.catalogue import BY_TYPE
from models.ranking.choose import CAPACITY, IN_HAND

BUDGET = 15
MAX_SHARE_OF_ONE_ACTION = 0.4
BEYOND_SHARE = 0.1
MAX_GOOD_NEWS = 5
_BY_CUSTOMER = ("high_intent_action",)
Row = dict[str, Any]


def select(rows: Sequence[Row], *, budget: int = BUDGET) -> list[Row]:
    """The best of `rows` that fit into `budget`, in rank order.

    The best of each cause comes first, so that tidying is not forgotten; then what is worth most, where an item of an
    action that has its share counts for a tenth: the day is not one kind of work unless the rest is worth far less.
    """
    limit = ceil(budget * MAX_SHARE_OF_ONE_ACTION)
    placed: Counter[str] = Counter()
    causes: set[str] = set()
    leaders: list[Row] = []
    others: list[tuple[float, Row]] = []
    for row in sorted(rows, key=_order):
        placed[row["action_type"]] += 1
        cause = BY_TYPE[row["action_type"]].cause if row["action_type"] in BY_TYPE else row["action_type"]
        if cause not in causes and len(leaders) < max(1, budget // 2):
            causes.add(cause)
            leaders.append(row)
        else:
            share = 1.0 if placed[row["action_type"]] <= limit else BEYOND_SHARE
            others.append((share * row["expected_value_minor"], row))
    others.sort(key=lambda one: (-one[0], _order(one[1])))
    return sorted([*leaders, *(row for _, row in others)][:budget], key=_order)


def _order(row: Row) -> tuple[int, str]:
    return row["rank"], row["dedupe_key"]


def not_shown(left_out: Sequence[Row], *, beyond_budget: int, in_hand: int) -> list[dict[str, Any]]:
    """Reasons with counts, the commonest first."""
    counts: Counter[str] = Counter()
    for row in left_out:
        counts[row["reason"]] += row["count"]
    counts[CAPACITY] += beyond_budget
    counts[IN_HAND] += in_hand
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"reason": reason, "count": count} for reason, count in ordered if count > 0]


def good_news(signals: Sequence[Row], company: Callable[[Row], str]) -> list[Row]:
    """What customers did, before what merely moved; the strongest first, one of each `company`."""

    def order(row: Row) -> tuple[bool, float, str]:
        return row["signal_type"] not in _BY_CUSTOMER, -row["strength"], row["dedupe_key"]

    ordered = sorted(signals, key=order)
    first: dict[str, Row] = {}
    for row in ordered:
        first.setdefault(company(row), row)
    return list(first.values())[:MAX_GOOD_NEWS]
