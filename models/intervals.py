"""A 90 % interval for each probability: how well the model knows it, not how the deal will end.

Belongs here: putting together the sources of doubt in a calibrated logit: the spread of the tables over bootstrap
fits, a tenant's deviations from what it is lent (`directions.Doubt`), and the covariance of the calibration.
"""

import numpy as np

from models.calibration import sigmoid

Z90 = 1.6448536269514722


def variance(raw: np.ndarray, spread: np.ndarray, slope: float, covariance: np.ndarray) -> np.ndarray:
    """Variance of the calibrated logit (rows,), by the delta method; `spread` is the variance of the raw logit."""
    of_map = covariance[0, 0] + 2.0 * raw * covariance[0, 1] + raw**2 * covariance[1, 1]
    return np.asarray(slope**2 * spread + np.maximum(of_map, 0.0))


def bounds(logit: np.ndarray, variance_of_logit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper probability (rows,): a normal interval on the logit, so that it stays between 0 and 1."""
    half = Z90 * np.sqrt(variance_of_logit)
    return sigmoid(logit - half), sigmoid(logit + half)


def offset_error(raw: np.ndarray, covariance: np.ndarray, *, lent: float = 0.0) -> float:
    """Standard error, in logits, of a version's level at the mean of `raw` logits.

    covariance: of the calibration. lent: variance of the calibrated level that lies in what is lent.
    """
    at = np.array([1.0, float(np.mean(raw)) if len(raw) else 0.0])
    return float(np.sqrt(at @ covariance @ at + lent))
