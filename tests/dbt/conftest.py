"""The warehouse that the tests of one module share."""

from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.dbt.warehouse import Warehouse
from tests.support.databases import Database


@pytest.fixture(scope="module")
def warehouse(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """An empty one: nothing is built yet. Rights on a database do not come with a copy of it."""
    name = sql.Identifier(urlsplit(module_database.owner_url).path.lstrip("/"))
    with psycopg.connect(module_database.owner_url) as connection:
        connection.execute(sql.SQL("grant create, temporary on database {} to bevyly_pipeline").format(name))
    folder: Path = tmp_path_factory.mktemp("dbt")
    return Warehouse(module_database, folder)
