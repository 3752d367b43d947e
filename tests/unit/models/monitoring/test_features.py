"""Moved features: what did not move is left alone, what did is named, and what is unknown counts."""

import numpy as np

from models.monitoring import features

NAMES = ["size", "replies", "industry", "budget"]


def rows(n: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    budget = random.lognormal(10, 1, n)
    budget[random.random(n) < 0.4] = np.nan
    return np.stack([random.normal(size=n), random.poisson(1.0, n), random.integers(0, 5, n), budget], axis=1)


def moved(now: np.ndarray, then: np.ndarray | None = None) -> list[str]:
    then = rows(400, 1) if then is None else then
    found = features.compare(NAMES, then, now, then_entities=len(then), now_entities=len(now))
    return sorted(one.feature for one in found if one.moved)


def test_what_did_not_move_is_left_alone() -> None:
    assert not [seed for seed in range(100) if moved(rows(150, 100 + seed))]


def test_what_moved_is_named() -> None:
    now = rows(150, 2)
    now[:, 0] += 1.0
    now[:, 1] *= 0
    assert moved(now) == ["replies", "size"]


def test_what_is_known_no_more_has_moved() -> None:
    now = rows(150, 3)
    now[:, 3] = np.nan
    assert moved(now) == ["budget"]


def test_a_value_that_was_most_of_all_rows_hides_nothing() -> None:
    then = rows(400, 4)
    then[:300, 0] = 0.0
    now = rows(150, 5)
    assert moved(now, then) == ["size"], "zeros became numbers"


def test_few_entities_say_nothing_and_many_rows_of_one_are_one() -> None:
    then, now = rows(400, 6), rows(150, 7)
    now[:, 0] += 0.6
    assert features.compare(NAMES, then, now, then_entities=400, now_entities=49) == []
    alone = features.compare(NAMES, then, now, then_entities=400, now_entities=150)
    repeated = features.compare(NAMES, then, np.repeat(now, 6, axis=0), then_entities=400, now_entities=150)
    chance = [next(one.chance for one in found if one.feature == "size") for found in (alone, repeated)]
    np.testing.assert_allclose(chance[0], chance[1], rtol=1e-6)


def test_an_alarm_ends_only_where_little_speaks_for_a_difference() -> None:
    then, now = rows(400, 8), rows(150, 9)
    assert features.calm(features.compare(NAMES, then, now, then_entities=400, now_entities=150))
    now[:, 0] += 0.55
    found = features.compare(NAMES, then, now, then_entities=400, now_entities=150)
    assert not features.calm(found)
