"""Which two features say together what neither says alone: a screening of all pairs on what a simpler fit leaves over.

Belongs here: ranking pairs of binned features. What a pair is worth is learned by `learners`.
"""

import numpy as np

from models.binning import MISSING
from models.calibration import sigmoid
from models.tables import Pair

_CELLS = 8  # ranges of a number while pairs are looked for
_RIDGE = 20.0  # rows' worth of doubt per cell


def strongest_pairs(
    codes: np.ndarray,
    logit: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    *,
    categorical: frozenset[int],
    without: int | None,
    count: int,
) -> list[Pair]:
    """Up to `count` pairs whose cells explain most of what `logit` (rows,) leaves over, beyond what each side does.

    codes: uint8 (rows, features). Pairs with the feature `without` are not looked at. The gain is that of one Newton
    step per cell (Lou et al. 2013 with a second-order loss, as boosted trees have it).
    """
    p = sigmoid(logit)
    slope, bend = weight * (y - p), weight * p * (1 - p)
    cells = {j: _coarse(codes[:, j], j in categorical) for j in range(codes.shape[1]) if j != without}
    cells = {j: coded for j, coded in cells.items() if np.ptp(coded)}
    alone = {j: _gain(coded, slope, bend) for j, coded in cells.items()}
    places = sorted(cells)
    gains = {
        (i, j): _gain(cells[i] * (int(cells[j].max()) + 1) + cells[j], slope, bend) - alone[i] - alone[j]
        for at, i in enumerate(places)
        for j in places[at + 1 :]
    }
    found = sorted((pair for pair in gains if gains[pair] > 0), key=lambda pair: (-gains[pair], pair))
    return found[:count]


def _coarse(codes: np.ndarray, is_categorical: bool) -> np.ndarray:
    """int64 cells: missing, and levels or ranges of about equally many known rows."""
    counts = np.bincount(codes).astype(float)
    if is_categorical or len(counts) <= _CELLS:
        return codes.astype(np.int64)
    counts[MISSING] = 0.0
    ranks = (np.cumsum(counts) - counts / 2) / max(counts.sum(), 1.0)
    cell = 1 + np.minimum((ranks * (_CELLS - 1)).astype(np.int64), _CELLS - 2)
    cell[MISSING] = MISSING
    return np.asarray(cell[codes])


def _gain(cells: np.ndarray, slope: np.ndarray, bend: np.ndarray) -> float:
    return float((np.bincount(cells, slope) ** 2 / (np.bincount(cells, bend) + _RIDGE)).sum())
