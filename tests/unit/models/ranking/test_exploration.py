"""Which action is offered: as likely as it says, the same however often asked, logged with what could have been."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from models.ranking import exploration
from models.ranking.choose import BETTER_ACTION, with_fate
from models.ranking.exploration import HELD_BACK, PERIOD_DAYS, TRIED, log, shares
from models.ranking.rank import DECISIONS_SCHEMA

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ACTIONS = {"call": 3000, "book_meeting": 2000, "draft_email": 1000}
NOBODY = pl.DataFrame(schema=DECISIONS_SCHEMA)


def candidates(n: int, *, at: datetime = NOW, valued: str = "effect") -> pl.DataFrame:
    rows = [
        {
            "customer_id": "t1", "owner_id": f"u{number}", "entity_type": "opportunity", "entity_id": f"o{number}",
            "cause": "advance", "action_type": action, "dedupe_key": f"{action}:{number}", "done": False, "as_of": at,
            "valued": valued, "effect": 0.5, "effect_sd": 0.1, "p": 0.3, "amount": 1e6, "urgency": 1.0,
            "usefulness": 1.0, "expected_value_minor": value,
        }
        for number in range(n)
        for action, value in ACTIONS.items()
    ]  # fmt: skip
    return pl.DataFrame(rows)


def chosen(rows: pl.DataFrame, *, holdout: float = 0.0, explored: float = 0.0) -> pl.DataFrame:
    tenants = pl.DataFrame({"customer_id": ["t1"], "holdout": [holdout], "explored": [explored]})
    return with_fate(rows, NOBODY, tenants)


def test_without_a_share_the_best_is_offered_for_sure() -> None:
    rows = chosen(candidates(50))
    assert set(rows.filter(pl.col("fate").is_null())["action_type"]) == {"call"}
    assert set(rows.filter(pl.col("fate").is_not_null())["fate"]) == {BETTER_ACTION}
    assert log(rows).select(pl.col("propensity").unique(), pl.col("action_type").unique()).row(0) == (1.0, "call")


def test_offers_are_as_frequent_as_their_propensities_say() -> None:
    size = 4000
    logged = log(chosen(candidates(size), holdout=0.1, explored=0.2))
    assert logged.height == size
    offers = logged.with_columns(pl.col("action_type").fill_null("nothing"))
    found = dict(offers["action_type"].value_counts().iter_rows())
    expected = {"call": 0.7, "book_meeting": 0.1, "draft_email": 0.1, "nothing": 0.1}
    said = dict(
        logged.with_columns(pl.col("action_type").fill_null("nothing"))
        .select("action_type", "propensity")
        .unique()
        .iter_rows()
    )
    assert said == pytest.approx(expected)
    for action, share in expected.items():
        assert found[action] / size == pytest.approx(share, abs=4 * (share * (1 - share) / size) ** 0.5)
    options = json.loads(logged["options"][0])
    assert [option["action_type"] for option in options] == list(ACTIONS)
    assert sum(option["propensity"] for option in options) == pytest.approx(0.9)


def test_what_is_not_offered_says_why() -> None:
    rows = chosen(candidates(400), holdout=0.2, explored=0.3)
    for number, fates in rows.group_by("entity_id").agg(pl.col("fate").sort_by("place")).iter_rows():
        offered = fates.count(None)
        assert offered <= 1, number
        if not offered:
            assert set(fates) == {HELD_BACK}
        elif fates[0] is None:
            assert set(fates[1:]) == {BETTER_ACTION}
        else:
            assert set(fates) == {None, TRIED}


def test_a_draw_holds_for_a_period_whatever_the_order_and_whoever_else_is_there() -> None:
    rows, shares_of = candidates(300), {"holdout": 0.3, "explored": 0.3}
    first = log(chosen(rows, **shares_of)).sort("entity_id")
    again = log(chosen(rows.sample(fraction=1.0, shuffle=True, seed=3), **shares_of)).sort("entity_id")
    assert first.equals(again)
    fewer = log(chosen(rows.filter(pl.col("entity_id") < "o2"), **shares_of))
    assert fewer.join(first, on=["entity_id", "action_type", "propensity"], nulls_equal=True).height == fewer.height
    start = datetime.combine(first["period"][0], datetime.min.time(), UTC)
    for day, same in ((PERIOD_DAYS - 1, True), (PERIOD_DAYS, False)):
        later = log(chosen(candidates(300, at=start + timedelta(days=day)), **shares_of)).sort("entity_id")
        assert later["action_type"].equals(first["action_type"]) is same


def test_only_what_is_valued_by_its_effect_is_tried() -> None:
    rows = chosen(candidates(200, valued="hygiene"), holdout=0.5, explored=0.5)
    assert rows.filter(pl.col("fate").is_null()).height == 200
    assert log(rows).is_empty()


def test_shares_come_from_settings() -> None:
    settings = pl.DataFrame(
        {"customer_id": ["a", "b"], "settings": ['{"exploration": {"holdout": 0.05, "explored": 0.1}}', "{}"]}
    )
    assert shares(settings).rows() == [("a", 0.05, 0.1), ("b", 0.0, 0.0)]
    assert dict(shares(settings).schema) == exploration.SHARES_SCHEMA
