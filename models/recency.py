"""How much more the newest rows weigh in a calibration: nothing, unless what has just come would have been told better.

Belongs here: that trial. A base rate that moves for good is followed within weeks; one that was off for a while, as
most are, is not carried on into what comes next.
"""

import numpy as np
from sklearn.base import clone

from models.calibration import AffineCalibrator

HALF_LIFE = 0.25  # of the span of later rows
_HELD_OUT = 0.2  # the newest of the later rows, on which the trial is made
_LEAST = 50.0  # weight on either side of the trial
_SURE = 3.0  # standard errors


def recency(
    calibrator: AffineCalibrator,
    raw: np.ndarray,
    y: np.ndarray,
    *,
    weight: np.ndarray,
    created: np.ndarray,
    later: np.ndarray,
) -> np.ndarray:
    """Factors (rows,) for `weight`: ones, or halving from the newest row back.

    raw: logits (rows,); y 0/1; created in µs; later: which rows count in the calibration. Halving is taken where,
    fitted to the older later rows, it tells the newest ones better by `_SURE` standard errors of the log loss.
    """
    even, rows = np.ones(len(y)), later & (weight > 0)
    if not rows.any():
        return even
    newest = rows & (created > np.quantile(created[rows], 1 - _HELD_OUT))
    older = rows & ~newest
    if min(weight[newest].sum(), weight[older].sum()) < _LEAST:
        return even
    losses = []
    for factor in (even, _halving(created, older)):
        fitted = clone(calibrator).fit(raw[older], y[older], sample_weight=(weight * factor)[older])
        logit = fitted.transform(raw[newest])
        losses.append(np.logaddexp(0.0, logit) - y[newest] * logit)
    gain, seen = losses[0] - losses[1], weight[newest]
    mean = float(np.average(gain, weights=seen))
    error = float(np.sqrt(np.average((gain - mean) ** 2, weights=seen) / seen.sum()))
    return _halving(created, rows) if mean > _SURE * error else even


def _halving(created: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Weights of all rows, by how far back they lie from the newest of `rows`, in half-lives of their span."""
    newest, span = created[rows].max(), np.ptp(created[rows])
    if span == 0:
        return np.ones(len(created))
    return np.asarray(0.5 ** (np.clip(newest - created, 0, None) / (HALF_LIFE * span)))
