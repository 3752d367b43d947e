"""The additive classifier that every score is made with: contributions per feature sum to the logit.

Belongs here: the scikit-learn estimator, its bags and its blend. The tables themselves are `tables`, learning one is
`learners`.
"""

# ruff: noqa: N803, N806 -- scikit-learn calls the matrix X
from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from models.binning import QuantileBinner
from models.learners import Boosted, Sample, Splines, pairs_beyond
from models.tables import Tables, mixed


class AdditiveClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A generalised additive model with few pairwise terms, kept as tables.

    learner: "spline" (ridge logistic regression on splines), "boosted" (gradient boosting without other interactions
    than with `context` and in `pairs`), or "blend" (the mean of both logits).
    categorical: positions of level codes. context: position of a feature (age) that interacts with every other one.
    pairs: how many other pairs of features boosting may see, chosen by what the spline leaves over (GA2M).
    bags: cluster-bootstrap samples from which `variance_`, the spread of every bin's worth, is taken.
    """

    def __init__(
        self,
        *,
        learner: str = "blend",
        categorical: Sequence[int] = (),
        context: int | None = None,
        trees: int = 200,
        penalty: float = 10.0,
        pairs: int = 0,
        bags: int = 0,
        max_bins: int = 63,
        random_state: int = 0,
    ) -> None:
        self.learner = learner
        self.categorical = categorical
        self.context = context
        self.trees = trees
        self.penalty = penalty
        self.pairs = pairs
        self.bags = bags
        self.max_bins = max_bins
        self.random_state = random_state

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        sample_weight: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> Self:
        """Learn from `X` float (rows, features) with NaN for missing and binary `y`; `groups` are bootstrapped
        whole.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, target = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(f"Only binary classification is supported: {len(self.classes_)} class(es) in y.")
        self.binner_ = QuantileBinner(max_bins=self.max_bins, categorical=tuple(self.categorical)).fit(X)
        sample = Sample.of(self.binner_, X, target, weight, self.context)
        self._fit_tables(sample, np.arange(len(y)) if groups is None else np.asarray(groups))
        return self

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """float64 (rows, features) in logits; with `baseline_` they sum to `decision_function`."""
        codes = self._coded(X)
        return self.tables_.contributions(codes)

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Logits of the second class, (rows,)."""
        codes = self._coded(X)
        return self.tables_.logit(codes)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """(rows, 2): probabilities of `classes_`."""
        positive = 1.0 / (1.0 + np.exp(-self.decision_function(X)))
        return np.stack([1.0 - positive, positive], axis=1)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The likelier class of every row."""
        positive = self.decision_function(X) > 0
        return np.asarray(self.classes_[positive.astype(int)])

    @property
    def baseline_(self) -> float:
        """The mean logit of the training rows."""
        return self.tables_.intercept

    def _fit_tables(self, sample: Sample, groups: np.ndarray) -> None:
        tables, start = self._fit_once(sample, 0, None)
        self.tables_ = tables.centred(sample.codes, sample.weight)
        # a bag's splines are near those of all rows
        bags = [self._fit_once(sample.drawn(rows), bag, start)[0] for bag, rows in self._bootstraps(sample, groups)]
        self.variance_ = _variance(
            [one.centred(sample.codes, sample.weight) for one in bags], self.tables_, sample.codes
        )

    def _bootstraps(self, sample: Sample, groups: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Row indices per bag: whole groups drawn with replacement; a draw of one class only is replaced by all
        rows.
        """
        random = np.random.default_rng(self.random_state)
        _, group = np.unique(groups, return_inverse=True)
        order, counts = np.argsort(group, kind="stable"), np.bincount(group)
        starts = np.cumsum(counts) - counts
        draws = []
        for bag in range(self.bags):
            drawn = random.integers(len(counts), size=len(counts))
            rows = np.concatenate([order[starts[g] : starts[g] + counts[g]] for g in drawn])
            draws.append((bag, rows if np.ptp(sample.y[rows]) else order))
        return draws

    def _fit_once(self, sample: Sample, bag: int, start: np.ndarray | None) -> tuple[Tables, np.ndarray | None]:
        """Tables, and the coefficients of the splines that are among them, to start from elsewhere."""
        parts: list[Tables] = []
        if self.learner != "boosted" or self.pairs:
            tables, start = Splines(sample).fit(penalty=self.penalty, start=start)
            parts.append(tables)
        if self.learner != "spline":
            chosen = pairs_beyond(sample, parts[0], self.pairs) if self.pairs else []
            booster = Boosted(sample, trees=self.trees, seed=self.random_state + bag, chosen=chosen)
            parts.append(booster.tables())
        if self.learner == "boosted":
            parts = parts[-1:]
        return mixed([(1.0 / len(parts), part) for part in parts]), start

    def _coded(self, X: np.ndarray) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return np.asarray(self.binner_.transform(X))

    def __sklearn_tags__(self):  # type: ignore[no-untyped-def]  # scikit-learn has no types
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags


def _variance(fits: list[Tables], like: Tables, codes: np.ndarray) -> Tables:
    """Spread of the bags as additive tables: per bin, scaled so that their sum has the mean variance of whole logits.

    The scale stands for what single bins leave out: errors of features that go together, and the pairs.
    """
    if len(fits) < 2:
        return Tables(0.0, [np.zeros_like(table) for table in like.mains])
    mains = [np.var([one.mains[j] for one in fits], axis=0, ddof=1) for j in range(len(like.mains))]
    intercept = float(np.var([one.intercept for one in fits], ddof=1))
    summed = Tables(intercept, mains)
    whole = float(np.var([one.logit(codes) for one in fits], axis=0, ddof=1).mean())
    scale = whole / max(float(summed.logit(codes).mean()), 1e-12)
    return mixed([(scale, summed)])
