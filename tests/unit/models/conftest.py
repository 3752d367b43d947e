"""Small marts with a known truth, for the tests of `models`."""

from collections.abc import Callable
from datetime import datetime

import pytest

from tests.support.marts import NOW, Marts, make_marts


@pytest.fixture(scope="session")
def marts() -> Callable[..., Marts]:
    """A function (entity, tenant=, n=, seed=, effect=, rate=, moments=) → (snapshots, outcomes)."""
    return make_marts


@pytest.fixture(scope="session")
def now() -> datetime:
    """An instant after all outcomes."""
    return NOW
