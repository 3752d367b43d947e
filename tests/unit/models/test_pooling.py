"""What tenants lend each other."""

import numpy as np
import pytest

from models import pooling


def test_own_weight_rises_from_nothing_without_a_cliff():
    weights = [pooling.own_weight(n) for n in range(2000)]
    assert weights[: pooling.LEAST + 1] == [0.0] * (pooling.LEAST + 1)
    assert all(0 <= step < 0.011 for step in np.diff(weights))
    assert weights[-1] > 0.9


def test_spread_between_equal_tenants_is_the_floor():
    found = pooling.between_tenants([0.1, 0.1, 0.1, 0.1], [0.01] * 4)
    assert found.mean == pytest.approx(0.1)
    assert found.sd == pytest.approx(0.3)


def test_spread_between_different_tenants_is_found():
    random = np.random.default_rng(0)
    found = pooling.between_tenants(list(random.normal(0.5, 1.2, 200)), [0.01] * 200)
    assert found.mean == pytest.approx(0.5, abs=0.2)
    assert found.sd == pytest.approx(1.2, abs=0.15)


@pytest.mark.parametrize("known", [0, 1, 2])
def test_few_tenants_leave_the_prior_wide(known):
    assert pooling.between_tenants([0.0] * known, [0.1] * known).sd == 1.0
