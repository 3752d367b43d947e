"""The warehouse that the tests of one module share."""

from pathlib import Path

import pytest

from tests.dbt.warehouse import Warehouse
from tests.support.databases import Database


@pytest.fixture(scope="module")
def warehouse(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """An empty one: nothing is built yet."""
    folder: Path = tmp_path_factory.mktemp("dbt")
    return Warehouse(module_database, folder)
