"""What tenants lend each other: a prior for those with few outcomes, worth less with each outcome of their own.

Belongs here: how much a tenant's own model weighs, and the spread between tenants (empirical Bayes). Only numbers
shared
by all marts are pooled, never a tenant's words; tenants that opted out neither give nor take.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST = 20  # outcomes below which a tenant's own shape is not tried at all
HALF_WAY = 100.0  # further outcomes at which own and pooled shape weigh the same
START_RATE = 0.25  # the rate assumed while nobody has an outcome
_START_SD = 1.0
_LEAST_SD = 0.3


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Where a new tenant's offset from the pooled logit is expected: mean and standard deviation, in logits."""

    mean: float
    sd: float


def own_weight(outcomes: int) -> float:
    """The share of the tenant's own shape: 0 up to `LEAST`, then rising to 1 without a jump."""
    beyond = max(0, outcomes - LEAST)
    return beyond / (beyond + HALF_WAY)


def between_tenants(offsets: Sequence[float], variances: Sequence[float]) -> Prior:
    """Mean and spread of tenant offsets (DerSimonian & Laird 1986); wide while fewer than three tenants are known."""
    if not len(offsets):
        return Prior(mean=0.0, sd=_START_SD)
    value, weight = np.asarray(offsets), 1.0 / np.maximum(np.asarray(variances), 1e-6)
    fixed = float((weight * value).sum() / weight.sum())
    excess = float((weight * (value - fixed) ** 2).sum()) - (len(value) - 1)
    scale = float(weight.sum() - (weight**2).sum() / weight.sum())
    between = max(excess / scale, 0.0) if scale > 0 else 0.0
    total = 1.0 / (1.0 / weight + between)
    mean = float((total * value).sum() / total.sum())
    if len(value) < 3:
        return Prior(mean=mean, sd=_START_SD)
    return Prior(mean=mean, sd=max(float(np.sqrt(between)), _LEAST_SD))
