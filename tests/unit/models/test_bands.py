"""Letters, points and ranks."""

import numpy as np

from models.bands import Scale, ranks


def test_letters_follow_the_logit_and_need_a_difference():
    logit = np.random.default_rng(0).normal(size=1000)
    letters = Scale.of(logit, 0.0).band(logit)
    assert set(letters) == set("ABCD")
    means = [logit[letters == letter].mean() for letter in "ABCD"]
    assert means == sorted(means, reverse=True)
    flat = np.random.default_rng(0).normal(scale=0.01, size=1000)
    assert set(Scale.of(flat, 0.0).band(flat)) == {"C"}


def test_points_are_linear_between_nought_and_a_hundred():
    scale = Scale(floors=(-1, 0, 1), zero=-2.0, hundred=2.0)
    np.testing.assert_array_equal(scale.points(np.array([-9.0, -2.0, 0.0, 1.0, 2.0, 9.0])), [0, 0, 50, 75, 100, 100])


def test_no_difference_gives_fifty_points():
    assert set(Scale.of(np.zeros(10), 0.0).points(np.zeros(10))) == {50}


def test_equal_logits_are_ranked_by_id():
    np.testing.assert_array_equal(ranks(np.array([1.0, 2.0, 1.0]), np.array([2, 9, 1])), [3, 1, 2])
