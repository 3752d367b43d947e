"""Two tenants and a connection as the pipeline role."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.integration.repositories.builders import Tenant, make_tenant
from tests.support.databases import Database


@pytest.fixture
def tenants(database: Database) -> tuple[Tenant, Tenant]:
    return make_tenant(database, "north"), make_tenant(database, "south")


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.pipeline_url) as opened:
        yield opened
