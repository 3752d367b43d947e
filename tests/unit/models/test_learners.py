"""Tables that are read off boosted trees are those trees, and pairs are learned where there are any."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.additive import AdditiveClassifier
from models.learners import Boosted, Sample, Splines, pairs_beyond
from models.pairs import strongest_pairs


@pytest.fixture(scope="module")
def sample():
    """A number 0, levels 1 and 3, age 2; the outcome depends on 0 × age, on 0 × 1 and on whether 1 equals 3."""
    random = np.random.default_rng(0)
    codes = random.integers(1, 5, (3000, 4)).astype(np.uint8)
    codes[random.random(codes.shape) < 0.05] = 0
    number = codes[:, 0] - 2.5
    truth = 1.5 * (codes[:, 1] == codes[:, 3]) + number * ((codes[:, 2] > 2) - 0.5 * (codes[:, 1] == 2)) - 0.5
    y = (random.random(3000) < 1 / (1 + np.exp(-truth))).astype(int)
    centres = [np.arange(5.0)] * 4
    return Sample(codes=codes, centres=centres, categorical=frozenset({1, 3}), y=y, weight=np.ones(3000), context=2)


@pytest.mark.parametrize("chosen", [[], [(1, 3)]])
def test_tables_are_what_the_trees_say(sample, chosen):
    trees = Boosted(sample, trees=30, seed=0, chosen=chosen)
    np.testing.assert_allclose(trees.tables().logit(sample.codes), trees.logit(sample.codes), rtol=0, atol=1e-9)


def test_the_strongest_pair_is_found_and_those_with_age_are_not_looked_at(sample):
    fitted, _ = Splines(sample).fit(penalty=10.0)
    assert pairs_beyond(sample, fitted, 1) == [(1, 3)]
    assert all(2 not in pair for pair in pairs_beyond(sample, fitted, 99))


def test_splines_are_the_same_wherever_the_search_begins(sample):
    splines = Splines(sample)
    _, elsewhere = splines.fit(penalty=30.0)
    cold, coefficients = splines.fit(penalty=3.0)
    warm, _ = splines.fit(penalty=3.0, start=elsewhere)
    assert np.abs(elsewhere - coefficients).max() > 0.05, "the control: there is a way to go"
    np.testing.assert_allclose(warm.logit(sample.codes), cold.logit(sample.codes), rtol=0, atol=1e-3)


def test_where_nothing_varies_there_is_no_pair():
    codes = np.ones((50, 3), dtype=np.uint8)
    y, ones = np.arange(50) % 2, np.ones(50)
    found = strongest_pairs(codes, np.zeros(50), y, ones, categorical=frozenset(), without=None, count=5)
    assert found == []


def test_pairs_are_worth_their_rank_and_stay_additive(sample):
    X = sample.codes.astype(float)
    alone, with_pairs = (
        AdditiveClassifier(learner="boosted", categorical=(1, 3), trees=60, pairs=pairs).fit(X, sample.y)
        for pairs in (0, 3)
    )
    logit = with_pairs.decision_function(X)
    assert roc_auc_score(sample.y, logit) > roc_auc_score(sample.y, alone.decision_function(X)) + 0.05
    np.testing.assert_allclose(with_pairs.baseline_ + with_pairs.contributions(X).sum(axis=1), logit, atol=1e-12)
