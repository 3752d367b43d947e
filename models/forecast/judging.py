"""How good a forecast of single deals is on later rows than taught it.

Belongs here: the continuous ranked probability score of the day of winning, pinball losses and coverage. The score of
a deal that is still open counts up to the day until which it was followed, which is known whatever became of it, so
that censoring favours nobody.
"""

from dataclasses import dataclass

import numpy as np

from models import metrics
from models.forecast.grid import EDGES
from models.forecast.landmarks import WON

LEVELS = np.array([0.1, 0.5, 0.9])


def crps(won: np.ndarray, cause: np.ndarray, elapsed: np.ndarray, followed: np.ndarray) -> np.ndarray:
    """Days (rows,): the squared difference between chance and fact of being won by each day, summed over days.

    won: chances by `EDGES`, (rows, PERIODS + 1); `cause` and `elapsed` as in landmarks; `followed` in days.
    """
    fact = (cause[:, None] == WON) & (elapsed[:, None] <= EDGES[None, 1:])
    seen = followed[:, None] >= EDGES[None, 1:]
    return np.asarray((((won[:, 1:] - fact) ** 2 * np.diff(EDGES)) * seen).sum(axis=1))


def pinball(told: np.ndarray, fact: np.ndarray) -> np.ndarray:
    """(rows,): the mean over `LEVELS` of the quantile loss of `told` (rows, levels) for `fact` (rows,)."""
    off = fact[:, None] - told
    return np.asarray(np.maximum(LEVELS * off, (LEVELS - 1) * off).mean(axis=1))


def covered(told: np.ndarray, fact: np.ndarray) -> np.ndarray:
    """bool (rows,): whether `fact` lies between the outer quantiles."""
    return np.asarray((told[:, 0] <= fact) & (fact <= told[:, -1]))


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A mean loss of two on the same rows, and the second less the first with a 90 % interval over deals."""

    first: float
    second: float
    difference: float
    low: float
    high: float


def beside(first: np.ndarray, second: np.ndarray, deal: np.ndarray, *, seed: int = 0) -> Beside:
    """Losses (rows,) of two forecasts; rows of one deal are resampled together."""
    found = metrics.mean_difference(first, second, groups=deal, seed=seed)
    return Beside(
        first=float(first.mean()), second=float(second.mean()),
        difference=found.value, low=found.low, high=found.high,
    )  # fmt: skip
