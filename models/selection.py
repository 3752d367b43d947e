"""Choosing between learners by what they say about later rows than they were trained on.

Belongs here: the candidates, their time-forward predictions, the choice. The winner's out-of-fold logits also serve the
calibration, so that it never sees a prediction on a training row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.additive import AdditiveClassifier
from models.binning import QuantileBinner
from models.calibration import AffineCalibrator, sigmoid
from models.learners import Boosted, Sample, Splines, pairs_beyond
from models.splits import forward_folds
from models.tables import Tables

_SPLINES: dict[str, dict[str, Any]] = {
    f"spline-{penalty}": {"learner": "spline", "penalty": float(penalty)} for penalty in (3, 10, 30)
}
_BOOSTED: dict[str, dict[str, Any]] = {
    "boosted": {"learner": "boosted", "trees": 200},
    "paired": {"learner": "boosted", "pairs": 25, "trees": 300},
}
_BLENDS = {f"{one}+{two}": (one, two) for one in _SPLINES for two in _BOOSTED}
_SCREEN = "spline-10"  # what it leaves over is looked at for pairs
STURDY = "spline-30"  # with few outcomes there is nothing to choose by
CHOICE_NEEDS = 300  # entities
PAIRS_NEED = 1000  # entities


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Encoded training rows of one tenant, or of the pool."""

    X: np.ndarray
    y: np.ndarray
    entity: np.ndarray
    created: np.ndarray
    categorical: tuple[int, ...]
    context: int | None
    weight: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The chosen candidate, its out-of-fold logits (NaN on the oldest rows), how many entities taught each, all
    losses.
    """

    name: str
    logit: np.ndarray
    losses: dict[str, float]


def estimator(name: str, rows: Rows, *, bags: int, seed: int) -> AdditiveClassifier:
    """The unfitted candidate `name` for `rows`."""
    spline, _, boosted = name.partition("+")
    options = dict((_SPLINES | _BOOSTED)[spline])
    if boosted:
        options |= _BOOSTED[boosted] | {"learner": "blend"}
    return AdditiveClassifier(
        categorical=rows.categorical,
        context=rows.context,
        bags=bags,
        random_state=seed,
        **options,
    )


def fitted(name: str, rows: Rows, *, bags: int, seed: int) -> AdditiveClassifier:
    """The candidate `name`, fitted to all of `rows`."""
    model = estimator(name, rows, bags=bags, seed=seed)
    return model.fit(rows.X, rows.y, sample_weight=rows.weight, groups=rows.entity)


def choose(rows: Rows, *, seed: int) -> Choice:
    """The candidate with the least log loss on later folds, each judged after its own affine calibration."""
    judged = _out_of_fold(_within_reach(len(np.unique(rows.entity))), rows, seed)
    # a blend is the mean of its halves, which saves fitting it in the folds
    judged |= {
        name: np.mean([judged[half] for half in parts], axis=0)
        for name, parts in _BLENDS.items()
        if judged.keys() >= set(parts)
    }
    losses = {name: _loss(logit, rows.y) for name, logit in judged.items()}
    best = min(losses, key=lambda name: (losses[name], name))
    return Choice(name=best, logit=judged[best], losses=losses)


def _within_reach(entities: int) -> list[str]:
    """Candidates, without blends, among which so many entities can choose."""
    if entities < CHOICE_NEEDS:
        return [STURDY]
    return [*_SPLINES, *(name for name in _BOOSTED if name != "paired" or entities >= PAIRS_NEED)]


def _out_of_fold(names: Sequence[str], rows: Rows, seed: int) -> dict[str, np.ndarray]:
    """Of each candidate the logits (rows,) of later rows than it was trained on; NaN on the oldest."""
    said = {name: np.full(len(rows.y), np.nan) for name in names}
    for train, judge in forward_folds(rows.created, rows.entity):
        if not np.ptp(rows.y[train]):
            continue
        binner = QuantileBinner(categorical=rows.categorical).fit(rows.X[train])
        sample = Sample.of(binner, rows.X[train], rows.y[train], rows.weight[train], rows.context)
        codes = binner.transform(rows.X[judge])
        for name, learned in _learned(names, sample, seed):
            said[name][judge] = learned.logit(codes)
    return said


def _learned(names: Sequence[str], sample: Sample, seed: int) -> Iterator[tuple[str, Tables | Boosted]]:
    """The candidates, fitted to `sample`; what several need is made once, and one spline starts from another."""
    splines, fits, start = Splines(sample), {}, None
    for name in (name for name in reversed(_SPLINES) if name in names):
        fits[name], start = splines.fit(penalty=_SPLINES[name]["penalty"], start=start)
        yield name, fits[name]
    for name in (name for name in _BOOSTED if name in names):
        options = _BOOSTED[name]
        pairs = options.get("pairs", 0)
        chosen = pairs_beyond(sample, fits[_SCREEN], pairs) if pairs else []
        yield name, Boosted(sample, trees=options["trees"], seed=seed, chosen=chosen)


def _loss(logit: np.ndarray, y: np.ndarray) -> float:
    known = ~np.isnan(logit)
    if not known.any():
        return float("inf")
    p = sigmoid(AffineCalibrator().fit(logit[known], y[known]).transform(logit[known]))
    return float(-np.mean(np.log(np.where(y[known] == 1, p, 1 - p))))
