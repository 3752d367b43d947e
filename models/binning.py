"""Values to bins: the step on which every additive model here stands.

Belongs here: learning bin edges and coding values. What a bin is worth is a `tables` matter.
"""

# ruff: noqa: N803, N806 -- scikit-learn calls the matrix X
from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

MISSING = 0  # the code of NaN in every feature


class QuantileBinner(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Codes per column: 0 for missing, 1.. for bins (numbers) or for levels (categorical, shifted by one).

    Edges are midpoints between distinct values where these are few, quantiles otherwise. A bin holds its right edge.
    """

    def __init__(self, *, max_bins: int = 63, categorical: Sequence[int] = ()) -> None:
        self.max_bins = max_bins
        self.categorical = categorical

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Learn edges from `X`, float (rows, features)."""
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        levels = set(self.categorical)
        self.edges_ = [
            _level_edges(X[:, j]) if j in levels else _edges(X[:, j], self.max_bins) for j in range(X.shape[1])
        ]
        codes = self._codes(X)
        self.centres_ = [_centres(X[:, j], codes[:, j], len(edges) + 2) for j, edges in enumerate(self.edges_)]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """uint8 codes (rows, features)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return self._codes(X)

    def _codes(self, X: np.ndarray) -> np.ndarray:
        return np.stack([code(X[:, j], edges) for j, edges in enumerate(self.edges_)], axis=1)

    def __sklearn_tags__(self):  # type: ignore[no-untyped-def]  # scikit-learn has no types
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def code(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """uint8 codes of one column: 0 for NaN, else 1 + the number of edges below the value."""
    codes = np.searchsorted(edges, values, side="left") + 1
    return np.asarray(np.where(np.isnan(values), MISSING, codes).astype(np.uint8))


def _edges(values: np.ndarray, max_bins: int) -> np.ndarray:
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    if len(distinct) <= 1:
        return np.empty(0)
    if len(distinct) > max_bins:
        distinct = np.unique(np.quantile(known, np.linspace(0, 1, max_bins + 1), method="lower"))
    return np.asarray((distinct[:-1] + distinct[1:]) / 2)


def _level_edges(values: np.ndarray) -> np.ndarray:
    """Half-way between level codes 0, 1, 2, …: a level is a bin of its own."""
    known = values[~np.isnan(values)]
    top = int(known.max()) if len(known) else 0
    return np.arange(top) + 0.5


def _centres(values: np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
    """Mean training value per code; NaN for the missing code."""
    known = codes != MISSING
    counts = np.bincount(codes[known], minlength=size)
    sums = np.bincount(codes[known], weights=values[known], minlength=size)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / np.where(counts > 0, counts, np.nan))
