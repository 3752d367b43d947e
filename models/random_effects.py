"""A mixed logit: each tenant's deviations are drawn from a normal distribution that all tenants together tell.

Belongs here: the distribution between tenants (means and variance components, by EM), and one tenant's posterior. Both
use Laplace's approximation (Breslow & Clayton 1993), its mean corrected. A few imagined tenants hold the components
where few are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student_t

from models.calibration import sigmoid

IMAGINED = 2.0  # tenants that the components are assumed from before any is known
_ROUNDS = 60
_STEPS = 40
_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What one tenant tells: `offset` logits (rows,) of the common shape, `design` (rows, directions), `y` 0/1,
    `weight`."""

    offset: np.ndarray
    design: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "Outcomes":
        return Outcomes(offset=self.offset[rows], design=self.design[rows], y=self.y[rows], weight=self.weight[rows])


@dataclass(frozen=True, kw_only=True)
class Normal:
    """Deviations (directions,) with their covariance (directions, directions)."""

    mean: np.ndarray
    covariance: np.ndarray

    def logit(self, outcomes: Outcomes) -> np.ndarray:
        """Logits (rows,) at the mean."""
        return np.asarray(outcomes.offset + outcomes.design @ self.mean)


def posterior(outcomes: Outcomes, prior: Normal) -> Normal:
    """What is known of a tenant's deviations after its outcomes."""
    return _posterior(outcomes, prior.mean, np.linalg.inv(prior.covariance), prior.mean, _STEPS)


def between_tenants(tenants: Sequence[Outcomes], assumed: np.ndarray) -> Normal:
    """The deviations that another tenant may have; `assumed` (directions,) are standard deviations held by nobody yet.

    With `IMAGINED` tenants at nought besides, whose deviations are as assumed. The covariance has the doubt in the
    mean, and is as wide as the t distribution for so many tenants, where the variances are estimates.
    """
    mean, variance = np.zeros(len(assumed)), assumed**2
    count = len(tenants) + IMAGINED
    modes = [mean] * len(tenants)
    for _ in range(_ROUNDS if tenants else 0):
        precision = np.diag(1.0 / variance)
        found = [_posterior(one, mean, precision, mode, 2) for one, mode in zip(tenants, modes, strict=True)]
        modes = [one.mean for one in found]
        mean = np.sum(modes, axis=0) / count
        squares = [(one.mean - mean) ** 2 + np.diag(one.covariance) for one in found]
        before, variance = variance, (np.sum(squares, axis=0) + IMAGINED * (assumed**2 + mean**2)) / count
        if float(np.abs(np.log(variance / before)).max()) < _TOLERANCE:
            break
    wider = float(student_t.ppf(0.95, count) / norm.ppf(0.95)) ** 2 if tenants else 1.0
    return Normal(mean=mean, covariance=np.diag(variance * (1.0 + 1.0 / count) * wider))


def _posterior(outcomes: Outcomes, mean: np.ndarray, precision: np.ndarray, start: np.ndarray, steps: int) -> Normal:
    """Mean and covariance, by at most `steps` damped Newton steps from `start` to the mode.

    The mean is the mode and its second-order correction (Tierney & Kadane 1986): without it tenants seem more alike
    than they are, by a tenth at a hundred outcomes each.
    """
    theta, design = start, outcomes.design
    curvature = precision
    for _ in range(steps):
        p = sigmoid(outcomes.offset + design @ theta)
        gradient = design.T @ (outcomes.weight * (p - outcomes.y)) + precision @ (theta - mean)
        curvature = (design * (outcomes.weight * p * (1 - p))[:, None]).T @ design + precision
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        theta = theta - step
        if float(np.abs(step).max()) < 1e-9:
            break
    covariance = np.linalg.inv(curvature)
    p = sigmoid(outcomes.offset + design @ theta)
    spread = ((design @ covariance) * design).sum(axis=1)
    skew = design.T @ (outcomes.weight * p * (1 - p) * (1 - 2 * p) * spread)
    return Normal(mean=theta - covariance @ skew / 2, covariance=covariance)
