"""From a raw logit to an honest one: an affine map, so that contributions stay additive.

Belongs here: fitting the map, its uncertainty. Isotonic and beta calibration bend the logit and would break the sum of
reasons; an affine map (Platt 1999) keeps it. The prior is Gaussian on both parameters: without outcomes the map is the
prior's, with many it is the data's, and nothing jumps in between.
"""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator

_STEPS = 50


class AffineCalibrator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """logit = offset_ + slope_ × raw, by penalised likelihood; the slope is never negative.

    After `fit`: offset_, slope_, covariance_ (2 × 2, inverse curvature).
    """

    def __init__(
        self, *, offset: float = 0.0, offset_sd: float = 1.0, slope: float = 1.0, slope_sd: float = 0.5
    ) -> None:
        self.offset = offset
        self.offset_sd = offset_sd
        self.slope = slope
        self.slope_sd = slope_sd

    def fit(self, raw: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Self:
        """Fit to raw logits (rows,) and 0/1 outcomes, made later than what the raw model was trained on."""
        weight = np.ones(len(raw)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        design = np.stack([np.ones(len(raw)), np.asarray(raw, dtype=np.float64)], axis=1)
        mean, precision = (
            np.array([self.offset, self.slope]),
            np.array([self.offset_sd, self.slope_sd]) ** -2.0,
        )
        found, curvature = _newton(design, np.asarray(y, dtype=np.float64), weight, mean, precision)
        if found[1] < 0:
            fixed, held = np.array([self.offset, 0.0]), np.array([precision[0], 1e9])
            found, curvature = _newton(design, np.asarray(y, dtype=np.float64), weight, fixed, held)
            found[1] = 0.0
        self.offset_, self.slope_ = float(found[0]), float(found[1])
        self.covariance_ = np.linalg.inv(curvature)
        return self

    def transform(self, raw: np.ndarray) -> np.ndarray:
        """Calibrated logits (rows,)."""
        return np.asarray(self.offset_ + self.slope_ * np.asarray(raw))


def _newton(
    design: np.ndarray, y: np.ndarray, weight: np.ndarray, mean: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The posterior mode and its curvature, by damped Newton steps."""
    theta = mean.copy()
    for _ in range(_STEPS):
        p = sigmoid(design @ theta)
        gradient = design.T @ (weight * (p - y)) + precision * (theta - mean)
        curvature = (design * (weight * np.maximum(p * (1 - p), 1e-9))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        theta = theta - step
        if float(np.abs(step).max()) < 1e-10:
            break
    return theta, curvature


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """Probabilities of logits, without overflow, to the same bits on every processor."""
    small = _exp(-np.abs(logit))
    return np.asarray(np.where(np.asarray(logit) >= 0, 1.0, small) / (1.0 + small))


def _exp(negative: np.ndarray) -> np.ndarray:
    """e to the power of numbers ≤ 0, within one unit in the last place (Sun's fdlibm, `e_exp.c`).

    NumPy's own exp and tanh differ in the last bit between processors; sums, products, quotients and powers of two are
    the same everywhere.
    """
    x = np.maximum(negative, -700.0)
    k = np.rint(x * 1.4426950408889634)
    high, low = x - k * 6.93147180369123816490e-01, k * 1.90821492927058770002e-10
    r = high - low
    t = r * r
    c = np.full_like(t, _EXP[-1])
    for coefficient in _EXP[-2::-1]:
        c = coefficient + t * c
    c = r - t * c
    return np.asarray(np.ldexp(1.0 - ((low - (r * c) / (2.0 - c)) - high), k.astype(np.int32)))


_EXP = (
    1.66666666666666019037e-01,
    -2.77777777770155933842e-03,
    6.61375632143793436117e-05,
    -1.65339022054652515390e-06,
    4.13813679705723846039e-08,
)
