"""Two ways to learn additive tables from binned rows: penalised logistic splines, and boosted trees with chosen
interactions only.

Belongs here: fitting one function to one sample. Bins are `binning`; averaging, bagging and the estimator are
`additive`.
"""

# ruff: noqa: N803 -- scikit-learn calls the matrix X
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import SplineTransformer

from models.binning import MISSING, QuantileBinner
from models.pairs import strongest_pairs
from models.tables import Pair, Tables


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Binned rows: `codes` uint8 (rows, features), `centres` mean value per code, `y` 0/1, `weight` per row."""

    codes: np.ndarray
    centres: list[np.ndarray]
    categorical: frozenset[int]
    y: np.ndarray
    weight: np.ndarray
    context: int | None

    @classmethod
    def of(
        cls, binner: QuantileBinner, X: np.ndarray, y: np.ndarray, weight: np.ndarray, context: int | None
    ) -> "Sample":
        """Rows `X` float (rows, features) in the bins of a fitted `binner`."""
        return cls(
            codes=binner.transform(X),
            centres=binner.centres_,
            categorical=frozenset(binner.categorical),
            y=y,
            weight=weight,
            context=context,
        )

    @property
    def sizes(self) -> list[int]:
        return [len(centres) for centres in self.centres]

    def drawn(self, rows: np.ndarray) -> "Sample":
        """The sample with `rows` (indices, repeats allowed) only."""
        return Sample(
            codes=self.codes[rows],
            centres=self.centres,
            categorical=self.categorical,
            y=self.y[rows],
            weight=self.weight[rows],
            context=self.context,
        )


class Splines:
    """Ridge logistic regression on level, line and cubic spline per feature, and on line × age where there is a
    context: the columns are made once, and fitted with any penalty.
    """

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._bases = [_basis(sample, j) for j in range(len(sample.sizes))]
        self._crossed = _crossed(sample)
        blocks = [basis[sample.codes[:, j]] for j, basis in enumerate(self._bases)]
        blocks += [table[sample.codes[:, i], sample.codes[:, j]][:, None] for (i, j), table in self._crossed]
        self._columns = np.hstack(blocks)

    def fit(self, *, penalty: float, start: np.ndarray | None = None) -> tuple[Tables, np.ndarray]:
        """Tables, and the coefficients (columns + 1,) with the intercept last; `start` is where the search begins."""
        model = LogisticRegression(C=1.0 / penalty, solver="newton-cholesky", max_iter=100, tol=1e-6)
        if start is not None:
            model.set_params(warm_start=True)
            model.coef_, model.intercept_ = start[None, :-1], start[-1:]
        model.fit(self._columns, self._sample.y, sample_weight=self._sample.weight)
        coefficients = np.append(model.coef_[0], model.intercept_)
        return self._tables(coefficients), coefficients

    def _tables(self, coefficients: np.ndarray) -> Tables:
        ends = np.cumsum([basis.shape[1] for basis in self._bases])
        parts = np.split(coefficients[: ends[-1]], ends[:-1])
        mains = [basis @ part for basis, part in zip(self._bases, parts, strict=True)]
        pairs: dict[Pair, np.ndarray] = {}
        for (pair, table), worth in zip(self._crossed, coefficients[ends[-1] : -1], strict=True):
            pairs[pair] = pairs.get(pair, 0.0) + worth * table
        return Tables(float(coefficients[-1]), mains, pairs, self._sample.context)


class Boosted:
    """Gradient boosting in which a tree path sees one feature, or one and age, or a pair of `chosen`.

    Levels stand first: scikit-learn moves them there, and counts the features of `interaction_cst` only after that.
    """

    def __init__(self, sample: Sample, *, trees: int, seed: int, chosen: Sequence[Pair] = ()) -> None:
        self._sizes, self._context = sample.sizes, sample.context
        features = range(len(self._sizes))
        self._pairs = [] if self._context is None else [(self._context, j) for j in features if j != self._context]
        self._pairs += chosen
        self._order = [*sorted(sample.categorical), *(j for j in features if j not in sample.categorical)]
        place = {j: at for at, j in enumerate(self._order)}
        groups = [{place[j]} for j in features] + [{place[i], place[j]} for i, j in self._pairs]
        self._model = HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_iter=trees,
            max_leaf_nodes=6,
            min_samples_leaf=max(5, min(30, len(sample.y) // 20)),
            l2_regularization=5.0,
            interaction_cst=groups,
            categorical_features=list(range(len(sample.categorical))) or None,
            early_stopping=False,
            random_state=seed,
        ).fit(sample.codes[:, self._order], sample.y, sample_weight=sample.weight)

    def logit(self, codes: np.ndarray) -> np.ndarray:
        """float64 (rows,) of uint8 codes (rows, features), by walking through the trees."""
        return np.asarray(self._model.decision_function(codes[:, self._order]))

    def tables(self) -> Tables:
        """The same function, exactly: vary one feature (or two), hold the others at missing."""
        sizes, pairs = self._sizes, self._pairs
        codes = np.zeros((1 + sum(sizes), len(sizes)), dtype=np.uint8)
        for j, start in enumerate(1 + np.cumsum([0, *sizes[:-1]])):
            codes[start : start + sizes[j], j] = np.arange(sizes[j])
        raw = self.logit(codes)
        intercept = float(raw[0])
        mains = [part - intercept for part in np.split(raw[1:], np.cumsum(sizes)[:-1])]
        grids = [_grid(i, j, sizes) for i, j in pairs]
        both = np.split(self.logit(np.vstack(grids)), np.cumsum([len(grid) for grid in grids])[:-1]) if grids else []
        tables = {
            (i, j): told.reshape(sizes[i], sizes[j]) - intercept - mains[i][:, None] - mains[j][None, :]
            for (i, j), told in zip(pairs, both, strict=True)
        }
        return Tables(intercept, mains, tables, self._context)


def pairs_beyond(sample: Sample, fitted: Tables, count: int) -> list[Pair]:
    """The `count` strongest pairs in what `fitted` leaves over of `sample`; none with the context, which has all."""
    return strongest_pairs(
        sample.codes,
        fitted.logit(sample.codes),
        sample.y,
        sample.weight,
        categorical=sample.categorical,
        without=sample.context,
        count=count,
    )


def _grid(i: int, j: int, sizes: Sequence[int]) -> np.ndarray:
    """Codes with every combination of features `i` and `j`, all others missing."""
    grid = np.zeros((sizes[i] * sizes[j], len(sizes)), dtype=np.uint8)
    grid[:, i] = np.repeat(np.arange(sizes[i]), sizes[j])
    grid[:, j] = np.tile(np.arange(sizes[j]), sizes[i])
    return grid


def _basis(sample: Sample, j: int) -> np.ndarray:
    """Basis of feature `j`, one row per code: missing; then one column per level, or a line and a spline over ranks."""
    size = sample.sizes[j]
    if j in sample.categorical or size <= 3:
        return np.eye(size)
    ranks, line = _ranks(sample, j), _line(sample, j)
    curve = SplineTransformer(n_knots=4, degree=3, include_bias=False).fit_transform(ranks[1:, None])
    basis = np.zeros((size, 2 + curve.shape[1]))
    basis[MISSING, 0] = 1.0
    basis[:, 1] = line
    basis[1:, 2:] = curve
    return basis


def _ranks(sample: Sample, j: int) -> np.ndarray:
    """Share of the known rows below each code's middle."""
    counts = np.bincount(sample.codes[:, j], minlength=sample.sizes[j])[: sample.sizes[j]].astype(float)
    counts[MISSING] = 0.0
    return np.asarray((np.cumsum(counts) - counts / 2) / max(counts.sum(), 1.0))


def _line(sample: Sample, j: int) -> np.ndarray:
    """Standardised value per code, missing at zero, beyond three deviations cut off."""
    centres = sample.centres[j]
    rows = centres[sample.codes[:, j]]
    if np.isnan(rows).all():
        return np.zeros(len(centres))
    spread = float(np.nanstd(rows)) or 1.0
    return np.asarray(np.clip(np.nan_to_num((centres - np.nanmean(rows)) / spread), -3.0, 3.0))


def _crossed(sample: Sample) -> list[tuple[Pair, np.ndarray]]:
    """Age × line of every other number, and age × known, as pair tables to be weighted."""
    if sample.context is None:
        return []
    age, crossed = _line(sample, sample.context), []
    for j, size in enumerate(sample.sizes):
        if j == sample.context or j in sample.categorical or size <= 1:
            continue
        known = (np.arange(size) != MISSING).astype(float)
        crossed += [
            ((sample.context, j), np.outer(age, _line(sample, j))),
            ((sample.context, j), np.outer(age, known)),
        ]
    return crossed
