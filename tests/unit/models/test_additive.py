"""The additive classifier keeps the scikit-learn contract, and its contributions are the logit."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.additive import AdditiveClassifier
from models.binning import QuantileBinner


@pytest.fixture(scope="module")
def sample():
    random = np.random.default_rng(0)
    X = random.normal(size=(1500, 4))
    X[:, 3] = random.integers(0, 4, 1500)
    X[random.random(X.shape) < 0.1] = np.nan
    known = np.nan_to_num(X)
    truth = known[:, 0] + np.sin(2 * known[:, 1]) + (known[:, 3] == 2)
    return X, (random.random(1500) < 1 / (1 + np.exp(-truth))).astype(int), truth


UNWEIGHTED = {"check_sample_weight_equivalence_on_dense_data": "bin edges are quantiles of rows, whatever these weigh"}


@parametrize_with_checks(
    [AdditiveClassifier(learner="spline", max_bins=15), QuantileBinner()],
    expected_failed_checks=lambda estimator: UNWEIGHTED if isinstance(estimator, AdditiveClassifier) else {},
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("learner", ["spline", "boosted", "blend"])
@pytest.mark.parametrize("context", [None, 2])
def test_contributions_sum_to_the_logit_and_rank_like_the_truth(sample, learner, context):
    X, y, truth = sample
    model = AdditiveClassifier(learner=learner, categorical=(3,), context=context, trees=40).fit(X, y)
    logit = model.decision_function(X)
    np.testing.assert_allclose(model.baseline_ + model.contributions(X).sum(axis=1), logit, rtol=0, atol=1e-12)
    assert roc_auc_score(truth > np.median(truth), logit) > 0.9


def test_contributions_are_centred_on_the_training_rows(sample):
    X, y, _ = sample
    model = AdditiveClassifier(categorical=(3,), context=2, trees=30).fit(X, y)
    np.testing.assert_allclose(model.contributions(X).mean(axis=0), 0.0, atol=1e-9)


def test_a_contribution_depends_on_its_own_column_only(sample):
    X, y, _ = sample
    model = AdditiveClassifier(categorical=(3,), trees=30).fit(X, y)
    other = X.copy()
    other[:, 1:] = other[::-1, 1:]
    np.testing.assert_array_equal(model.contributions(X)[:, 0], model.contributions(other)[:, 0])


def test_context_is_read_through_the_feature_beside_it():
    random = np.random.default_rng(1)
    X = random.normal(size=(3000, 2))
    y = (random.random(3000) < 1 / (1 + np.exp(-2 * X[:, 0] * (X[:, 1] > 0)))).astype(int)
    model = AdditiveClassifier(context=1, trees=80).fit(X, y)
    young, old = model.contributions(np.array([[2.0, -1.0]])), model.contributions(np.array([[2.0, 1.0]]))
    assert old[0, 0] > young[0, 0] + 0.5


def test_same_seed_same_bits(sample):
    X, y, _ = sample
    first, second = (AdditiveClassifier(trees=20, bags=2).fit(X, y).decision_function(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_spread_of_the_bags_shrinks_with_rows(sample):
    X, y, _ = sample
    spreads = []
    for rows in (200, 1500):
        model = AdditiveClassifier(learner="spline", bags=8).fit(X[:rows], y[:rows])
        spreads.append(model.variance_.logit(model.binner_.transform(X)).mean())
    assert spreads[1] < spreads[0] / 2


def test_refuses_more_than_two_classes():
    with pytest.raises(ValueError, match="Only binary classification"):
        AdditiveClassifier().fit(np.zeros((9, 1)), np.arange(9) % 3)
