"""An additive function as tables: one worth per bin of a feature, one per pair of bins for the few pairs.

Belongs here: evaluating, mixing, re-binning and centring such functions. Who learns the tables is `learners`' business.
Why tables: contributions are exact by construction, scoring is a look-up, and an artefact is nothing but arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

Pair = tuple[int, int]


@dataclass(frozen=True)
class Tables:
    """logit = intercept + sum of mains[j][code_j] + sum of pairs[i, j][code_i, code_j]."""

    intercept: float
    mains: list[np.ndarray]
    pairs: dict[Pair, np.ndarray] = field(default_factory=dict)
    context: int | None = None  # pairs with this feature are attributed wholly to the other one

    def contributions(self, codes: np.ndarray) -> np.ndarray:
        """float64 (rows, features) in logits; a pair's worth goes half and half, or wholly to the one beside
        `context`.
        """
        parts = np.empty(codes.shape, dtype=np.float64, order="F")
        for j, table in enumerate(self.mains):
            parts[:, j] = table.take(codes[:, j])
        for (i, j), table in self.pairs.items():
            worth = table.ravel().take(codes[:, i].astype(np.int64) * table.shape[1] + codes[:, j])
            share = self._share_of_first(i, j)
            if share:
                parts[:, i] += share * worth
            if share < 1:
                parts[:, j] += (1 - share) * worth
        return parts

    def logit(self, codes: np.ndarray) -> np.ndarray:
        """float64 (rows,): the intercept plus the contributions, in that order of addition."""
        return self.intercept + summed(self.contributions(codes))

    def centred(self, codes: np.ndarray, weight: np.ndarray) -> Self:
        """The same function, with every table's weighted mean over `codes` moved into the intercept.

        Pair tables are centred along both axes first, so that what one feature explains alone sits in its own table.
        """
        mains, pairs = [table.copy() for table in self.mains], {}
        for (i, j), table in self.pairs.items():
            pairs[i, j], of_i, of_j = _purified(table, codes[:, i], codes[:, j], weight)
            mains[i] += of_i
            mains[j] += of_j
        intercept = self.intercept
        for j, table in enumerate(mains):
            mean = float(np.average(table[codes[:, j]], weights=weight))
            mains[j] = table - mean
            intercept += mean
        return type(self)(intercept, mains, pairs, self.context)

    def rebinned(
        self,
        maps: Mapping[int, np.ndarray],
        features: int,
        places: Mapping[int, int],
        like: "Tables | None" = None,
    ) -> Self:
        """The same function over other bins: `maps[j]` gives our code for each new code, `places[j]` the new position.

        Features that we do not have are worth zero, in tables as long as those of `like`.
        """
        mains = [np.zeros(1 if like is None else len(like.mains[place])) for place in range(features)]
        for j, place in places.items():
            mains[place] = self.mains[j][maps[j]]
        pairs = {(places[i], places[j]): table[np.ix_(maps[i], maps[j])] for (i, j), table in self.pairs.items()}
        context = None if self.context is None else places[self.context]
        return type(self)(self.intercept, mains, pairs, context)

    def state(self) -> dict[str, Any]:
        """Plain values and arrays; `from_state` makes an equal function."""
        return {
            "intercept": self.intercept,
            "mains": self.mains,
            "pair_features": [list(pair) for pair in self.pairs],
            "pair_tables": list(self.pairs.values()),
            "context": self.context,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The function that `state` was taken from."""
        pairs = {(i, j): table for (i, j), table in zip(state["pair_features"], state["pair_tables"], strict=True)}
        return cls(state["intercept"], list(state["mains"]), pairs, state["context"])

    def _share_of_first(self, i: int, j: int) -> float:
        if self.context in (i, j):
            return 1.0 if self.context == j else 0.0
        return 0.5


def summed(parts: np.ndarray) -> np.ndarray:
    """float64 (rows,): the sum of each row of (rows, features), one feature after the other.

    NumPy's own sum adds in another order where there is one row only, so a row alone would not give the bits that it
    gives among others.
    """
    total = np.zeros(len(parts))
    for j in range(parts.shape[1]):
        total += parts[:, j]
    return total


def mixed(parts: Sequence[tuple[float, Tables]]) -> Tables:
    """The weighted sum of functions over the same bins."""
    intercept = sum(weight * part.intercept for weight, part in parts)
    features = len(parts[0][1].mains)
    mains = [_sum([(weight, part.mains[j]) for weight, part in parts]) for j in range(features)]
    keys = sorted({pair for _, part in parts for pair in part.pairs})
    pairs = {key: _sum([(weight, part.pairs[key]) for weight, part in parts if key in part.pairs]) for key in keys}
    contexts = {part.context for _, part in parts if part.context is not None}
    return Tables(intercept, mains, pairs, min(contexts, default=None))


def _sum(parts: Sequence[tuple[float, np.ndarray]]) -> np.ndarray:
    total = parts[0][0] * parts[0][1]
    for weight, table in parts[1:]:
        total = total + weight * table
    return total


def _purified(
    table: np.ndarray, rows: np.ndarray, columns: np.ndarray, weight: np.ndarray, rounds: int = 4
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A pair table without what one side explains alone, and those two main effects (Lengerich et al. 2020)."""
    cells = rows.astype(np.int64) * table.shape[1] + columns
    density = np.bincount(cells, weights=weight, minlength=table.size).reshape(table.shape)
    per_row, per_column = density.sum(axis=1), density.sum(axis=0)
    of_row, of_column = np.zeros(table.shape[0]), np.zeros(table.shape[1])
    left = table.copy()
    for _ in range(rounds):
        mean = np.divide((left * density).sum(axis=1), per_row, out=np.zeros_like(per_row), where=per_row > 0)
        left, of_row = left - mean[:, None], of_row + mean
        mean = np.divide((left * density).sum(axis=0), per_column, out=np.zeros_like(per_column), where=per_column > 0)
        left, of_column = left - mean[None, :], of_column + mean
    return left, of_row, of_column
