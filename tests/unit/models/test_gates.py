"""Champion against challenger: what is better or as good passes, what is worse does not, what is unclear waits."""

import numpy as np

from models import gates


def world(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True logits and outcomes."""
    logit = np.random.default_rng(seed).normal(-0.8, 1.0, n)
    return logit, (np.random.default_rng(seed + 1).random(n) < said(logit)).astype(int)


def said(logit: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-logit)))


def verdict(n: int, champion: float, challenger: float, *, seed: int = 0, looked: int = 0) -> gates.Verdict:
    """Both know the truth but for noise of this standard deviation."""
    logit, y = world(n, seed)
    noise = np.random.default_rng(seed + 2).normal(size=(2, n))
    return gates.compare(
        y, said(logit + champion * noise[0]), said(logit + challenger * noise[1]), groups=np.arange(n), looked=looked
    )


def test_what_is_better_is_promoted() -> None:
    found = verdict(400, 1.5, 0.0)
    assert found.outcome == gates.PROMOTED
    assert found.figures["brier_difference"]["high"] < 0
    assert found.look == 400


def test_what_is_worse_is_refused_with_its_reason() -> None:
    found = verdict(400, 0.0, 1.5)
    assert found.outcome == gates.REFUSED
    assert "Brier" in found.reason
    assert found.figures["entities"] == 400


def test_what_ranks_alike_and_is_off_is_refused() -> None:
    logit, y = world(400, 3)
    found = gates.compare(y, said(logit), said(logit + 0.9), groups=np.arange(400))
    assert found.outcome == gates.REFUSED


def test_the_same_again_passes() -> None:
    logit, y = world(100, 4)
    found = gates.compare(y, said(logit), said(logit + 0.02), groups=np.arange(100))
    assert found.outcome == gates.PROMOTED


def test_too_few_wait_and_a_look_is_taken_once() -> None:
    assert verdict(49, 0.5, 0.5).reason.endswith("the next look is at 50")
    assert verdict(99, 0.5, 0.5, looked=50).look == 0
    assert gates.next_look(230, 50) == 200
    assert gates.next_look(230, 200) == 0
    logit, _ = world(60, 5)
    none_won = gates.compare(np.zeros(60), said(logit), said(logit), groups=np.arange(60))
    assert (none_won.outcome, none_won.look) == (gates.WAITING, 0)


def test_the_last_look_decides() -> None:
    outcomes = {verdict(400, 0.9, 1.0, seed=seed, looked=200).outcome for seed in range(10)}
    assert gates.WAITING not in outcomes


def test_a_worse_one_seldom_passes_and_a_better_one_often_does() -> None:
    worse = [verdict(100, 0.3, 1.2, seed=seed).outcome for seed in range(60)]
    better = [verdict(100, 1.2, 0.3, seed=seed).outcome for seed in range(60)]
    assert worse.count(gates.PROMOTED) <= 3
    assert better.count(gates.PROMOTED) >= 30, "the others wait for the next look"
    assert better.count(gates.REFUSED) <= 3


def test_rows_of_one_entity_are_one() -> None:
    logit, y = world(60, 6)
    found = gates.compare(
        np.repeat(y, 5), said(np.repeat(logit, 5)), said(np.repeat(logit, 5)), groups=np.arange(300) // 5
    )
    assert found.look == 50
