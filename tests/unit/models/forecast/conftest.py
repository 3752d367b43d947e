"""A world of deals, made once."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from tests.support.deals import START, make_world

Marts = tuple[pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="session")
def world() -> Marts:
    """Five tenants over twenty months."""
    return make_world(5, months=20, a_month=15)


@pytest.fixture(scope="session")
def then() -> datetime:
    """After sixteen months: a quarter of the deals is still to come."""
    return START + timedelta(days=16 * 28)
