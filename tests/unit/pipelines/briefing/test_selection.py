"""The attention budget: the best of each cause first, then the most valuable; one action over its share counts less."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.briefing.selection import BUDGET, good_news, not_shown, select


def items(*kinds: str) -> list[dict[str, Any]]:
    """In order of worth, each a little less than the one before."""
    return [
        {"rank": i, "action_type": kind, "dedupe_key": f"{i}", "expected_value_minor": 10_000 - i}
        for i, kind in enumerate(kinds, start=1)
    ]


def tiny(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"expected_value_minor": 2}


def test_one_kind_of_work_fills_the_day_only_when_there_is_no_other() -> None:
    only = select(items(*["call"] * 40))
    assert [row["rank"] for row in only] == list(range(1, BUDGET + 1))
    mixed = Counter(row["action_type"] for row in select(items(*["call"] * 20, *["draft_email"] * 20, "close_lost")))
    assert mixed["close_lost"] == 1
    assert mixed["call"] >= mixed["draft_email"] >= 6
    assert sum(mixed.values()) == BUDGET


def test_the_best_of_a_cause_is_shown_however_little_it_is_worth() -> None:
    *calls, closing = items(*["call"] * 30, "close_lost")
    shown = select([*calls, tiny(closing)], budget=4)
    assert [row["action_type"] for row in shown] == ["call", "call", "call", "close_lost"]


def test_what_is_worth_far_less_fills_no_list_for_the_sake_of_variety() -> None:
    rows = items(*["call"] * 30, *["close_lost"] * 8, *["draft_email"] * 4)
    shown = Counter(row["action_type"] for row in select([*rows[:30], *map(tiny, rows[30:])]))
    assert shown == {"call": BUDGET - 1, "close_lost": 1}


@given(
    st.lists(st.sampled_from(["call", "draft_email", "close_lost", "set_next_step"]), max_size=60), st.integers(1, 20)
)
def test_never_more_than_the_budget_never_less_than_there_is_and_in_rank_order(kinds: list[str], budget: int) -> None:
    rows = items(*kinds)
    shown = select(rows, budget=budget)
    ranks = [row["rank"] for row in shown]
    assert len(shown) == min(budget, len(rows))
    assert ranks == sorted(set(ranks))
    if rows and budget > 1:
        assert 1 in ranks


def test_reasons_with_nothing_to_count_are_not_listed() -> None:
    assert not_shown([], beyond_budget=0, in_hand=0) == []
    counted = not_shown([{"reason": "b", "count": 2}, {"reason": "a", "count": 2}], beyond_budget=5, in_hand=0)
    assert [row["count"] for row in counted] == [5, 2, 2]
    assert [row["reason"] for row in counted][1:] == ["a", "b"]


def test_good_news_is_the_strongest_once_a_company() -> None:
    def row(entity: str, strength: float, key: str) -> dict[str, Any]:
        kind = "high_intent_action" if key == "z8" else "engagement_surge"
        return {
            "entity_type": "lead",
            "entity_id": entity,
            "strength": strength,
            "dedupe_key": key,
            "signal_type": kind,
        }

    rows = [row("a", 1, "k1"), row("a deal of a", 3, "k2"), *(row(f"e{i}", 2, f"z{i}") for i in range(9))]
    news = good_news(rows, lambda one: str(one["entity_id"]).removeprefix("a deal of "))
    assert [item["dedupe_key"] for item in news] == ["z8", "k2", "z0", "z1", "z2"]
