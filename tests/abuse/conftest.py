"""Everything that somebody may try against the API, over the API of the integration tests."""

import pytest

from tests.integration.api.conftest import Api, api, module_api  # noqa: F401 - fixtures
from tests.integration.api.seeds import seed


@pytest.fixture
def ours(api: Api) -> dict[str, str]:  # noqa: F811 - the fixture
    """Tenant A with a row in every table; the ids of its rows."""
    return seed(api.database.pipeline_url, api.a.customer_id, api.a.users["owner"])
