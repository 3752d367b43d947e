"""Answers of people move what a kind of recommendation is worth: little with few, within bounds, the right way."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.ranking.usefulness import ANSWERS, LEAST, MOST, with_usefulness
from models.signals.frames import Frames
from tests.unit.models.ranking.test_rank import OFFER, deals, ranked

CALL_AFTER_OFFER = ("call", "ghosted")
Answer = tuple[str, str, str, str, int, int]


def said(*rows: Answer) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=ANSWERS, orient="row")


def factor(useful: int, answered: int, own: tuple[int, int] = (0, 0)) -> float:
    """The multiple for u1, whose own answers are `own`; the others' are the rest."""
    others = (useful - own[0], answered - own[1])
    answers = said(*(("t1", who, *CALL_AFTER_OFFER, *told) for who, told in (("u1", own), ("u2", others)) if told[1]))
    row = {"customer_id": "t1", "owner_id": "u1", "action_type": "call", "finding": "ghosted"}
    return float(with_usefulness(pl.DataFrame([row]), answers)["usefulness"].item())


def two_kinds() -> Frames:
    """A deal to call about, because an offer was not answered; and one without a next step."""
    planned = {"opportunity_id": "planned", "owner_id": "u1", "has_next_step": 1.0}  # the tenant records next steps
    return deals(OFFER | {"owner_id": "u1"}, {"opportunity_id": "idle", "owner_id": "u1", "has_next_step": 0.0,
                                              "days_since_last_activity": 6.0, "value_minor": 1_400_000},
                 planned)  # fmt: skip


def test_without_answers_every_byte_is_as_before() -> None:
    silent, asked = ranked(two_kinds()), ranked(two_kinds(), answers=said())
    assert_frame_equal(silent.recommendations, asked.recommendations)
    assert silent.recommendations["usefulness"].to_list() == [None, None]
    elsewhere = said(("t2", "u1", *CALL_AFTER_OFFER, 0, 90), ("t1", "u1", "call", "deal_stalled", 0, 90))
    assert_frame_equal(silent.recommendations, ranked(two_kinds(), answers=elsewhere).recommendations)


def test_few_answers_change_little_and_many_no_more_than_the_bounds() -> None:
    assert factor(0, 0) == factor(5, 10) == 1.0
    assert factor(0, 1) == pytest.approx(0.909, abs=1e-3)
    assert factor(3, 12) == pytest.approx(0.727, abs=1e-3)
    assert (factor(0, 1000), factor(1000, 1000)) == (LEAST, MOST)


def test_a_persons_own_answers_are_drawn_towards_those_of_the_tenant() -> None:
    usual = factor(12, 24)
    assert usual == 1.0
    assert factor(12, 24, own=(0, 1)) == pytest.approx(0.952, abs=1e-3)
    assert factor(12, 24, own=(0, 12)) < factor(12, 24, own=(0, 4)) < usual < factor(12, 24, own=(12, 12))
    assert factor(12, 24, own=(6, 12)) == usual


@settings(max_examples=200, deadline=None)
@given(
    others=st.tuples(st.integers(0, 60), st.integers(0, 60)), own=st.tuples(st.integers(0, 30), st.integers(0, 30)),
    more=st.integers(1, 40), mine=st.booleans(),
)  # fmt: skip
def test_more_that_was_not_useful_never_raises_and_more_that_was_never_lowers(
    others: tuple[int, int], own: tuple[int, int], more: int, mine: bool
) -> None:
    """`others` and `own`: useful answers, and those that were not."""
    right, total, own_more = others[0] + own[0], sum(others) + sum(own), more if mine else 0
    before = factor(right, total, (own[0], sum(own)))
    assert LEAST <= before <= MOST
    assert factor(right, total + more, (own[0], sum(own) + own_more)) <= before
    assert factor(right + more, total + more, (own[0] + own_more, sum(own) + own_more)) >= before


@pytest.mark.parametrize("useful", [0, 4])
def test_the_rank_of_what_is_not_useful_never_rises(useful: int) -> None:
    ranks = []
    for useless in (0, 1, 5, 20, 400):
        answers = said(("t1", "u2", *CALL_AFTER_OFFER, useful, useful + useless))
        items = ranked(two_kinds(), answers=answers).recommendations
        place = items.filter(pl.col("action_type") == "call")["rank"]
        ranks.append(place.item() if place.len() else 99)
    assert ranks == sorted(ranks)
    assert ranks[0] < ranks[-1]


def test_it_is_told_with_numbers_where_it_matters() -> None:
    def item(**counts: Any) -> dict[str, Any]:
        rows = [("t1", who, *CALL_AFTER_OFFER, *told) for who, told in counts.items()]
        return ranked(deals(OFFER | {"owner_id": "u1"}), answers=said(*rows)).recommendations.row(0, named=True)

    plain = item()
    assert "People here" not in plain["rationale"]
    assert item(u2=(1, 4))["rationale"].find("People here") < 0, "too few"
    assert item(u2=(10, 20))["rationale"] == plain["rationale"], "they change nothing"
    told = item(u2=(3, 12))
    assert told["rationale"].endswith(" People here found 3 of 12 of these useful.")
    assert told["usefulness"] == pytest.approx(0.7273, abs=1e-4)
    assert told["expected_value_minor"] < plain["expected_value_minor"]
    assert told["probability_with_action"] == plain["probability_with_action"], "what acting changes is not opinion"
    own = item(u1=(9, 12), u2=(6, 6))
    assert own["rationale"].endswith(" People here found 15 of 18 of these useful, whose it is 9 of 12.")
