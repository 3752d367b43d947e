"""Directions in which tenants differ from what they have in common, as tables over the bins of a shared shape.

Belongs here: laying them out, adding a tenant's deviations to a shape, and the variance that they leave. Each direction
is additive, so a shape with deviations is a shape like any other. How far tenants go in each is `random_effects`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.special import ndtri

from models.binning import MISSING
from models.merging import Shape, rebinning
from models.tables import Tables

_LEAST_SHARE = 0.05  # of the pool's rows that a level, or being missing, needs to be a direction of its own
_BLOCK = 8192  # rows whose columns stay in the processor's cache


@dataclass(frozen=True)
class Term:
    """The worth of each bin of a feature in a direction; direction 0 is the level, the same for every row."""

    direction: int
    feature: int
    table: np.ndarray


@dataclass(frozen=True)
class Directions:
    """`size` directions, the level among them, made of `terms`."""

    size: int
    terms: tuple[Term, ...]

    def design(self, codes: np.ndarray) -> np.ndarray:
        """float64 (rows, size): how far each row lies in each direction."""
        matrix = np.zeros((len(codes), self.size), order="F")
        matrix[:, 0] = 1.0
        for term in self.terms:
            matrix[:, term.direction] += term.table.take(codes[:, term.feature])
        return matrix

    def on(self, lent: Shape, shape: Shape) -> Self:
        """The same directions over the bins of `shape`, whose edges hold those of `lent`."""
        places, maps = rebinning(shape, lent)
        terms = [Term(t.direction, places[t.feature], t.table[maps[t.feature]]) for t in self.terms]
        return replace(self, terms=tuple(terms))

    def added(self, shape: Shape, worth: np.ndarray) -> Shape:
        """`shape` with `worth` (size,) of each direction."""
        mains = list(shape.tables.mains)
        for term in self.terms:
            mains[term.feature] = mains[term.feature] + worth[term.direction] * term.table
        tables = Tables(shape.tables.intercept + float(worth[0]), mains, shape.tables.pairs, shape.tables.context)
        return replace(shape, tables=tables)


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Covariance of a tenant's deviations as its lower Cholesky `factor` (size, size)."""

    directions: Directions
    factor: np.ndarray

    def variance(self, codes: np.ndarray) -> np.ndarray:
        """Variance of the raw logit (rows,), added in one order, so that a row alone gives the bits it gives among
        others."""
        total = np.empty(len(codes))
        for start in range(0, len(codes), _BLOCK):
            design = self.directions.design(codes[start : start + _BLOCK])
            block = np.zeros(len(design))
            for k in range(self.directions.size):
                along = self.factor[k, k] * design[:, k]
                for j in range(k + 1, self.directions.size):
                    along += self.factor[j, k] * design[:, j]
                block += along * along
            total[start : start + _BLOCK] = block
        return total

    def of_level(self, codes: np.ndarray) -> float:
        """Variance of the mean raw logit of `codes`."""
        return float(((self.directions.design(codes).mean(axis=0) @ self.factor) ** 2).sum())

    def state(self) -> dict[str, Any]:
        """Plain values and arrays; `from_state` makes an equal one."""
        terms = self.directions.terms
        return {
            "places": [[term.direction, term.feature] for term in terms],
            "tables": [term.table for term in terms],
            "factor": self.factor,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The doubt that `state` was taken from."""
        terms = [Term(k, j, table) for (k, j), table in zip(state["places"], state["tables"], strict=True)]
        return cls(directions=Directions(len(state["factor"]), tuple(terms)), factor=state["factor"])


def directions_of(shape: Shape, codes: np.ndarray) -> Directions:
    """Level, steepness of the whole shape, a line for each number, and each frequent level or want of a value.

    codes: the pool's rows, uint8 (rows, features). A line is the normal score of the rank, so that
    outliers do not make it; steepness is the shape's main effects.
    """
    mains = [Term(1, j, table) for j, table in enumerate(shape.tables.mains) if np.ptp(table) > 0]
    tables = [
        (j, table)
        for j, edges in enumerate(shape.edges)
        for table in _lines(
            np.bincount(codes[:, j], minlength=len(edges) + 2) / len(codes),
            levels=shape.encoder.features_[j].levels is not None,
        )
    ]
    lines = [Term(k, j, table) for k, (j, table) in enumerate(tables, start=2)]
    return Directions(2 + len(lines), (*mains, *lines))


def _lines(share: np.ndarray, *, levels: bool) -> Sequence[np.ndarray]:
    """Tables over bins with this `share` of the rows, each with mean nought."""
    steps = range(len(share)) if levels else [MISSING]
    frequent = [step for step in steps if _LEAST_SHARE < share[step] < 1 - _LEAST_SHARE]
    found = [(np.arange(len(share)) == step) - share[step] for step in frequent]
    known = share.copy()
    known[MISSING] = 0.0
    if not levels and (known > 0).sum() > 1:
        rank = (np.cumsum(known) - known / 2) / known.sum()
        line = ndtri(np.clip(rank, 1e-3, 1 - 1e-3))
        line[MISSING] = 0.0
        found.append(line)
    return found
