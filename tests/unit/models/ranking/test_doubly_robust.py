"""The effect of an action where people chose what to act on: found although choice and outcome share a cause."""

import numpy as np
import polars as pl
import pytest

from models.ranking.doubly_robust import Average, Cases, average_effect, sigmoid, standardised

Z = 1.2816  # 80 %


def world(seed: int, effect: float, *, size: int = 3000, told: bool = True, curved: float = 0.0) -> tuple[Cases, float]:
    """Cases whose interest `z`, which the score knows nothing of, decides on both; and the true difference it made.

    `told`: whether z is among the confounders. `curved`: how much z² decides on the outcome besides.
    """
    random = np.random.default_rng(seed)
    z, logit = random.normal(size=size), random.normal(-0.5, 0.8, size)
    treated = (random.random(size) < sigmoid(0.9 * z)).astype(np.float64)
    base = logit + 0.9 * z + curved * (z**2 - 1)
    won = (random.random(size) < sigmoid(base + effect * treated)).astype(np.float64)
    known = pl.DataFrame({"z": z if told else random.normal(size=size)})
    cases = Cases(treated, won, logit, standardised_signed(known), np.arange(size), np.ones(size))
    return cases, float((sigmoid(base + effect) - sigmoid(base)).mean())


def standardised_signed(frame: pl.DataFrame) -> np.ndarray:
    """As the confounders of a case, but on a scale that the world is linear in."""
    values = frame.to_numpy()
    return (values - values.mean(axis=0)) / values.std(axis=0)


def found(cases: Cases) -> Average:
    average = average_effect(cases, least=30)
    assert average is not None
    return average


def naive(cases: Cases) -> float:
    acted = cases.treated == 1
    return float(cases.won[acted].mean() - cases.won[~acted].mean())


@pytest.mark.parametrize("effect", [-0.4, 0.0, 0.5])
def test_the_choice_is_told_apart_from_the_effect(effect: float) -> None:
    cases, truth = world(1, effect, size=20_000)
    average = found(cases)
    assert average.difference == pytest.approx(truth, abs=0.02)
    assert abs(naive(cases) - truth) > 0.1
    assert average.log_odds == pytest.approx(effect, abs=0.06)


def test_a_wrong_model_of_the_outcome_is_mended_by_that_of_the_choice() -> None:
    cases, truth = world(2, 0.5, size=20_000, curved=0.6)
    assert found(cases).difference == pytest.approx(truth, abs=0.02)


def test_what_nobody_was_told_of_does_deceive() -> None:
    """Why the label says associative."""
    cases, truth = world(3, 0.0, size=20_000, told=False)
    assert found(cases).difference - truth > 0.05


def test_intervals_hold_what_they_promise() -> None:
    inside = 0
    for seed in range(100):
        cases, truth = world(seed, 0.3, size=1000)
        average = found(cases)
        inside += abs(average.difference - truth) <= Z * average.difference_error
    assert 0.70 <= inside / 100 <= 0.90


def test_cases_of_an_entity_are_one_case() -> None:
    cases, _ = world(4, 0.3, size=1000)
    thrice = Cases(
        *(np.tile(part, (3, 1)) if part.ndim == 2 else np.tile(part, 3) for part in cases[:4]),
        np.tile(cases.entity, 3),
        np.tile(cases.votes / 3, 3),
    )
    assert found(thrice) == pytest.approx(found(cases), rel=1e-6)


def test_without_overlap_nothing_is_said() -> None:
    cases, _ = world(5, 0.3, size=400)
    sure = cases._replace(treated=(cases.confounders[:, 0] > 0).astype(np.float64), confounders=8 * cases.confounders)
    assert average_effect(sure, least=30) is None


def test_confounders_become_numbers_that_say_what_is_unknown() -> None:
    frame = pl.DataFrame(
        {"days": [0.0, None, 9.0, 99.0], "same": [1.0] * 4, "stage": ["a", "b", None, "a"], "flag": [True, False] * 2}
    )
    columns = standardised(frame)
    assert columns.shape == (4, 5)  # days, flag, that days are unknown, two stages; what never varies is no column
    assert np.allclose(columns.mean(axis=0), 0.0)
    assert np.isfinite(columns).all()
    assert standardised(frame.select("same")).shape == (4, 0)
