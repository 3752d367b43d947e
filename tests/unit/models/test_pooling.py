"""How much a tenant's own shape weighs."""

import numpy as np
import pytest

from models import pooling


@pytest.mark.parametrize("lending", [0, 3, 100])
def test_own_weight_rises_from_nothing_without_a_cliff(lending):
    weights = [pooling.own_weight(n, lending) for n in range(6000)]
    assert weights[: pooling.LEAST + 1] == [0.0] * (pooling.LEAST + 1)
    assert all(0 <= step < 0.011 for step in np.diff(weights))
    assert weights[-1] > 0.9


def test_own_weight_rises_slower_the_more_tenants_lend():
    weights = [pooling.own_weight(120, lending) for lending in range(200)]
    assert all(step < 0 for step in np.diff(weights))
