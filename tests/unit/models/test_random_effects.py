"""A mixed logit finds how far tenants differ, and each tenant within that."""

import numpy as np
import pytest

from models.calibration import sigmoid
from models.random_effects import Outcomes, between_tenants, posterior

TRUE_SD = np.array([0.9, 0.5, 0.0])
ASSUMED = np.array([1.0, 0.3, 0.3])


def tenant(random, n, mean=(0.4, 0.0, 0.0)):
    """(deviations, outcomes) of a tenant."""
    theta = np.asarray(mean) + random.normal(size=3) * TRUE_SD
    design = np.column_stack([np.ones(n), random.normal(size=(n, 2))])
    offset = random.normal(size=n) - 1.0
    y = (random.random(n) < sigmoid(offset + design @ theta)).astype(float)
    return theta, Outcomes(offset=offset, design=design, y=y, weight=np.ones(n))


@pytest.fixture(scope="module")
def prior():
    random = np.random.default_rng(3)
    return between_tenants([tenant(random, 150)[1] for _ in range(60)], ASSUMED)


def test_mean_and_spread_between_tenants_are_found(prior):
    found = np.sqrt(np.diag(prior.covariance))
    assert prior.mean == pytest.approx([0.4, 0.0, 0.0], abs=0.25)
    assert found[:2] == pytest.approx(TRUE_SD[:2], abs=0.2)
    assert found[2] < 0.15


def test_tenants_with_few_outcomes_do_not_seem_alike():
    """Without the correction of the mean they would, by 12 % here."""
    random = np.random.default_rng(6)
    sd = np.r_[0.9, np.full(17, 0.25)]
    worth = random.normal(size=(60, 18)) * sd
    told = []
    for theta in worth:
        design = np.column_stack([np.ones(50), random.normal(size=(50, 17))])
        offset = random.normal(size=50) - 1.0
        y = (random.random(50) < sigmoid(offset + design @ theta)).astype(float)
        told.append(Outcomes(offset=offset, design=design, y=y, weight=np.ones(50)))
    found = np.sqrt(np.diag(between_tenants(told, sd).covariance))
    assert found[0] == pytest.approx(worth[:, 0].std(), rel=0.1)
    assert found[1:].mean() == pytest.approx(worth[:, 1:].std(axis=0).mean(), rel=0.1)


def test_without_tenants_the_spread_is_as_assumed():
    found = between_tenants([], ASSUMED)
    assert found.mean.tolist() == [0.0, 0.0, 0.0]
    assert (np.sqrt(np.diag(found.covariance)) >= ASSUMED).all()


def test_without_outcomes_a_tenant_is_as_any_other(prior):
    _, nothing = tenant(np.random.default_rng(0), 0)
    found = posterior(nothing, prior)
    np.testing.assert_allclose(found.mean, prior.mean)
    np.testing.assert_allclose(found.covariance, prior.covariance)


@pytest.mark.parametrize("n", [1, 20, 200])
def test_ninety_percent_intervals_hold_nine_in_ten_tenants(prior, n):
    random = np.random.default_rng(n)
    held = []
    for _ in range(300):
        theta, told = tenant(random, n)
        found = posterior(told, prior)
        row = np.array([1.0, random.normal(), random.normal()])
        half = 1.645 * np.sqrt(row @ found.covariance @ row)
        held.append(abs(row @ (theta - found.mean)) <= half)
    assert 0.85 <= np.mean(held) <= 0.95


def test_outcomes_of_one_kind_do_not_run_away(prior):
    _, told = tenant(np.random.default_rng(1), 3)
    all_won = Outcomes(offset=told.offset, design=told.design, y=np.ones(3), weight=np.ones(3))
    found = posterior(all_won, prior)
    assert np.abs(found.mean - prior.mean).max() < 2.0
