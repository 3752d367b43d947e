"""The refreshes that these tests look at."""

import pytest

from tests.support import pipeline_runs


def pytest_configure(config: pytest.Config) -> None:
    """Shared with other folders: a refresh costs tens of seconds."""
    pipeline_runs.share(config)
