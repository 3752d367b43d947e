"""Orders are judged by what followed: known ends give known figures, and differences are of the same draws."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models.backtest.judge import Standing, by_action, judge
from models.backtest.orders import CHANCE, CHOICES, ORACLE, OURS, RULES, places

DAY = datetime(2026, 3, 2, tzinfo=UTC)
KEY = ["day", "customer_id", "entity_type", "entity_id"]


def world(*, days: int = 4, entities: int = 200, owners: int = 4, seed: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Choices whose `probability` is true, whose rank is that of a probability seen through noise, and their ends."""
    random = np.random.default_rng(seed)
    chance = random.beta(1, 4, entities)
    blurred = chance + random.normal(0, 0.1, entities)
    amount = np.exp(random.normal(10, 1, entities))
    ranks = np.argsort(np.argsort(-blurred)) + 1
    rows, ends = [], []
    for number in range(days):
        good = random.random(entities) < chance
        for entity in range(entities):
            key = [DAY + timedelta(days=7 * number), "t1", "opportunity", f"o{entity}"]
            ranked = int(ranks[entity]) if ranks[entity] <= entities // 2 else None
            rows.append(
                dict(zip(KEY, key, strict=True))
                | {
                    "owner_id": f"u{entity % owners}", "rank": ranked, "action_type": "call" if ranked else None,
                    "shown": bool(ranked and ranked <= 40), "expected_value_minor": 100, "probability": chance[entity],
                    "amount_minor": amount[entity], "days_since_last_outbound": 1.0, "days_since_last_inbound": None,
                    "age_days": float(entity),
                }
            )  # fmt: skip
            ends.append(
                dict(zip(KEY, key, strict=True))
                | {"good": bool(good[entity]), "value_minor": float(good[entity] * amount[entity])}
            )
    return pl.DataFrame(rows, schema=dict(CHOICES)), pl.DataFrame(ends)


def standing(found: Sequence[Standing], order: str) -> Standing:
    return next(one for one in found if one.order == order)


def test_places_follow_their_keys_and_the_unknown_comes_last() -> None:
    choices, ends = world(days=1)
    rows = places(choices.join(ends, on=KEY))
    ordered = rows.sort(f"place_{OURS}")
    assert ordered[f"place_{OURS}"].to_list() == list(range(1, 201))
    assert ordered["rank"].to_list()[:100] == list(range(1, 101))
    assert ordered["rank"].null_count() == 100
    likeliest = rows.sort("place_likeliest to win")["probability"]
    assert likeliest.is_sorted(descending=True)
    assert rows.sort(f"place_{ORACLE}")["good"].is_sorted(descending=True)


def test_figures_are_those_of_the_rows() -> None:
    choices, ends = world()
    found = judge(choices, ends, budget=5)
    assert [one.order for one in found] == [OURS, *RULES, CHANCE, ORACLE]
    rows = choices.join(ends, on=KEY)
    best = rows.filter(pl.col("probability") >= rows["probability"].unique().sort(descending=True)[19])
    assert standing(found, "likeliest to win").good.value == pytest.approx(best["good"].mean())
    assert standing(found, CHANCE).good.value == pytest.approx(rows["good"].mean())
    assert standing(found, ORACLE).good.value == 1.0
    largest = rows.sort("amount_minor", descending=True).group_by("day", "owner_id", maintain_order=True).head(5)
    won = rows.sort("value_minor", descending=True).group_by("day", "owner_id", maintain_order=True).head(5)
    caught = standing(found, "largest amount").caught
    assert caught is not None
    assert caught.value == pytest.approx(largest["value_minor"].sum() / won["value_minor"].sum())


def test_an_order_that_knows_more_is_ahead_and_intervals_hold_the_figure() -> None:
    choices, ends = world(days=8, entities=600)
    found = judge(choices, ends, budget=5)
    for rule in ("newest", CHANCE):
        assert standing(found, rule).good.ahead_low > 0
    assert standing(found, "likeliest to win").good.ahead < 0
    for one in found:
        for figure in (one.good, one.caught):
            assert figure is not None
            assert figure.low <= figure.value <= figure.high
    assert standing(found, OURS).good.ahead == 0.0
    assert found == judge(choices.sample(fraction=1.0, shuffle=True, seed=2), ends, budget=5)


def test_the_days_of_an_entity_are_no_new_entities() -> None:
    """The same end told four times must not look four times as sure."""
    once, ends = world(days=1, entities=400)
    weeks = [timedelta(days=7 * number) for number in range(4)]
    four, told = (pl.concat([frame.with_columns(pl.col("day") + week) for week in weeks]) for frame in (once, ends))
    single, repeated = (standing(judge(*pair, budget=5), OURS).good for pair in ((once, ends), (four, told)))
    assert repeated.high - repeated.low == pytest.approx(single.high - single.low, rel=0.05)


def test_without_wins_nothing_is_said_of_value() -> None:
    choices, ends = world(days=1)
    assert all(one.caught is None for one in judge(choices, ends.with_columns(value_minor=0.0), budget=5))


def test_what_was_shown_is_told_by_action() -> None:
    choices, ends = world(days=1)
    done = choices.filter("shown").head(10).select(*KEY, "action_type")
    told = by_action(choices, ends, done).row(0, named=True)
    shown = choices.filter("shown").join(ends, on=KEY)
    assert (told["action_type"], told["items"], told["entities"], told["done"]) == ("call", 40, 40, 10)
    assert told["good"] == pytest.approx(shown["good"].mean())
    assert told["good_if_done"] == pytest.approx(shown.join(done, on=KEY, how="semi")["good"].mean())
    assert told["base"] == pytest.approx(ends["good"].mean())
