"""What many deals come to in a period: a mean that adds up to the last minor unit, and an interval of the sum.

Belongs here: deals as distributions, and their sum. The mean of a deal by a day is its probability times its mean
amount times the share of its close days until then, rounded; a period is the difference of two such numbers. So
whatever deals and periods are put together, the parts are the whole.

The interval is of the joint distribution: whether a deal is won in the period, at which of its amounts. Deals go
together by one shared factor (a Gaussian copula, as in Vasicek's model of a loan book): given the factor they are
independent, and a deal's own chance stays what it is. `dependence` is the correlation that the tenant's history shows
(`dispersion`). Amounts are taken to be independent of each other and of the factor.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import ndtr, ndtri

from models.forecast.grid import EDGES, crossed

SHARES = np.linspace(0.0, 1.0, 21)
"""Of a deal's chances to be won, the parts whose days are kept."""
LEVEL = 0.8
_DRAWS = 1_000
_ONE_BY_ONE = 100  # deals that are drawn; what is beside the largest is nearly normal, given the factor
_NODES = 65


@dataclass(frozen=True, kw_only=True)
class Deals:
    """Deals of one currency: `probability` (n,), `days` (n, len(SHARES)) from now, `amounts` (n, atoms) in minor
    units.
    """

    probability: np.ndarray
    days: np.ndarray
    amounts: np.ndarray

    def of(self, places: np.ndarray) -> Self:
        """Some of them."""
        return type(self)(probability=self.probability[places], days=self.days[places], amounts=self.amounts[places])

    def won_by(self, day: np.ndarray) -> np.ndarray:
        """Chance (n,) that each is won until its `day` (n,) from now; infinite days are allowed."""
        # a day on which several shares fall is passed by all of them
        shares = np.broadcast_to(SHARES, self.days.shape)
        inside = np.clip(day, self.days[:, 0], self.days[:, -1])
        right = (self.days <= inside[:, None]).sum(axis=1).clip(1, len(SHARES) - 1)[:, None]
        start, end = (np.take_along_axis(self.days, right - step, axis=1)[:, 0] for step in (1, 0))
        low, high = (np.take_along_axis(shares, right - step, axis=1)[:, 0] for step in (1, 0))
        part = np.clip(np.where(end > start, (inside - start) / np.where(end > start, end - start, 1.0), 1.0), 0.0, 1.0)
        share = np.where(day < self.days[:, 0], 0.0, low + part * (high - low))
        return np.asarray(self.probability * np.where(day >= self.days[:, -1], 1.0, share))

    def expected_by(self, day: np.ndarray) -> np.ndarray:
        """int64 (n,): what each is expected to bring until its `day` (n,)."""
        return np.asarray(np.rint(self.won_by(day) * self.amounts.mean(axis=1)).astype(np.int64))


def expected(deals: Deals, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """int64 (n,) minor units: what each deal is expected to bring after its day `start` (n,) and until `end` (n,)."""
    return np.asarray(deals.expected_by(end) - deals.expected_by(start))


def interval(deals: Deals, start: np.ndarray, end: np.ndarray, *, dependence: float, seed: int = 0) -> tuple[int, int]:
    """Between which sums the deals come to in the period, `LEVEL` of the time; the same answer to the same question."""
    drawn = sums(deals, deals.won_by(end) - deals.won_by(start), dependence=dependence, seed=seed)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="inverted_cdf")
    return int(np.rint(low)), int(np.rint(high))


def sums(deals: Deals, chance: np.ndarray, *, dependence: float, seed: int = 0, draws: int = _DRAWS) -> np.ndarray:
    """Sums (draws,) of deals that are each won with `chance` (n,); the factor is spread evenly over the draws."""
    total = np.zeros(draws)
    able = np.flatnonzero(chance > 0)
    if not len(able):
        return total
    chance, amounts = np.clip(chance[able], 0.0, 1.0), deals.amounts[able].astype(np.float64)
    random, factor = np.random.default_rng(seed), ndtri((np.arange(draws) + 0.5) / draws)
    order = np.argsort(-chance * (amounts**2).mean(axis=1), kind="stable")
    large, small = order[:_ONE_BY_ONE], order[_ONE_BY_ONE:]
    won = random.random((len(large), draws)) < given(chance[large][:, None], factor, dependence)
    which = random.integers(amounts.shape[1], size=(len(large), draws))
    total += (won * np.take_along_axis(amounts[large], which, axis=1)).sum(axis=0)
    if len(small):
        nodes = np.linspace(factor[0], factor[-1], _NODES)
        then = given(chance[small][:, None], nodes, dependence)
        mean, square = amounts[small].mean(axis=1)[:, None], (amounts[small] ** 2).mean(axis=1)[:, None]
        middle, spread = (then * mean).sum(axis=0), np.sqrt((then * square - (then * mean) ** 2).sum(axis=0))
        noise = random.standard_normal(draws)
        total += np.maximum(np.interp(factor, nodes, middle) + np.interp(factor, nodes, spread) * noise, 0.0)
    return total


def given(chance: np.ndarray, factor: np.ndarray, dependence: float) -> np.ndarray:
    """The chance of a deal where the shared factor is known; over standard normal factors its mean is `chance`."""
    return np.asarray(ndtr((ndtri(chance) - np.sqrt(dependence) * factor) / np.sqrt(1 - dependence)))


def shares_of(cumulative: np.ndarray) -> np.ndarray:
    """Days (rows, len(SHARES)) of rising shares (rows, PERIODS + 1) that end at 1: what `Deals.days` holds."""
    return crossed(cumulative, np.broadcast_to(EDGES, cumulative.shape), SHARES)
