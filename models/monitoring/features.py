"""Have features moved since a version learned? Two samples of encoded features, compared bin by bin.

Belongs here: the population stability index, and the test beside it. An index alone alarms by chance on few rows, a
test alone alarms on nothings with many: a feature has moved where the index says that it matters (`ALARM`) and the
chi-squared test that it is no chance, at a false-alarm rate of one look in `LOOKS_BETWEEN` over all features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

ALARM, CALM = 0.2, 0.1  # of the index
CALM_CHANCE = 0.05  # over all features
LEAST = 50  # entities on each side
LOOKS_BETWEEN = 1000.0
_BINS = 10


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One feature: its stability index, the probability of a difference as large by chance, whether it has moved."""

    feature: str
    index: float
    chance: float
    moved: bool


def compare(
    names: Sequence[str], then: np.ndarray, now: np.ndarray, *, then_entities: int, now_entities: int
) -> list[Moved]:
    """Features of rows that taught (`then`) and of new rows (`now`), float64 (rows, features), NaN where unknown.

    Rows of one entity are no independent looks: counts are scaled down to entities. Empty where there are too few.
    """
    if min(then_entities, now_entities) < LEAST:
        return []
    limit = 1 / LOOKS_BETWEEN / len(names)
    scale = then_entities / len(then), now_entities / len(now)
    found = []
    for j, name in enumerate(names):
        before, after = _counts(then[:, j], now[:, j])
        index, chance = _index(before, after), _chance(before * scale[0], after * scale[1])
        found.append(Moved(feature=name, index=index, chance=chance, moved=index >= ALARM and chance < limit))
    return sorted(found, key=lambda one: (-one.index, one.feature))


def calm(found: Sequence[Moved]) -> bool:
    """Whether an alarm may end: each feature is hardly off, or no more than one look in twenty would be by chance."""
    return all(one.index < CALM or one.chance >= CALM_CHANCE / len(found) for one in found)


def _counts(then: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows per bin on both sides: tenths of what taught, each frequent value a bin of its own, and unknown."""
    known = then[~np.isnan(then)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(known) else np.empty(0)

    def count(values: np.ndarray) -> np.ndarray:
        place = np.where(np.isnan(values), 2 * len(edges) + 1, _place(values, edges))
        return np.bincount(place.astype(int), minlength=2 * len(edges) + 2).astype(float)

    return count(then), count(now)


def _place(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Even: between edges; odd: on one. A value that is a tenth of all rows by itself does not hide its neighbours."""
    return np.asarray(np.searchsorted(edges, values, side="left") + np.searchsorted(edges, values, side="right"))


def _index(before: np.ndarray, after: np.ndarray) -> float:
    """The population stability index, with half a row in every bin that is used at all."""
    used = before + after > 0
    p, q = before[used] + 0.5, after[used] + 0.5
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def _chance(before: np.ndarray, after: np.ndarray) -> float:
    """Probability of a chi-squared statistic as large if nothing moved; thin bins are joined."""
    total = before + after
    thick = total * min(before.sum(), after.sum()) / total.sum() >= 5
    table = np.stack([np.r_[side[thick], side[~thick].sum()] for side in (before, after)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(chi2.sf(((table - expected) ** 2 / expected).sum(), table.shape[1] - 1))
