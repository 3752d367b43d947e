"""An API over a database and a Valkey of its own, two tenants, and clients for each role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api.dependencies.rate_limit import RateLimits, Rule
from api.main import create_app
from bevyly.clock import Clock
from bevyly.settings import Settings
from tests.support.databases import Database

SECRET = "a secret for tests that is longer than 32 characters"
UNLIMITED = RateLimits(
    reads=Rule("read", limit=1_000_000, lease=1000),
    writes=Rule("write", limit=1_000_000, lease=1000),
    authentication=Rule("authentication", limit=1_000_000, lease=1000, closed_without_redis=True),
    refused=Rule("refused", limit=1_000_000, lease=1000),
)


@dataclass
class Tenant:
    """A tenant with a user of each role."""

    customer_id: str
    users: dict[str, str] = field(default_factory=dict)


@dataclass
class Api:
    """An API that runs, with everything a test asks of it."""

    app: FastAPI
    database: Database
    redis_url: str
    a: Tenant
    b: Tenant

    def token(self, tenant: Tenant, role: str = "owner", *, version: int = 1) -> str:
        """An access token for the user of `role`."""
        tokens = self.app.state.resources.tokens
        email = f"{role}@{tenant.customer_id}.example"
        return str(
            tokens.issue(
                customer_id=tenant.customer_id,
                user_id=tenant.users[role],
                email=email,
                role=role,
                token_version=version,
            )
        )

    def client(self, tenant: Tenant | None = None, role: str = "owner", **headers: str) -> httpx.AsyncClient:
        """A client that speaks as the user of `role`, or as nobody."""
        if tenant is not None:
            headers = {"authorization": f"Bearer {self.token(tenant, role)}"} | headers
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://api.test", headers=headers, timeout=30
        )

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement as the pipeline, which sees all tenants."""
        with psycopg.connect(self.database.pipeline_url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)  # type: ignore[call-overload]
            return list(cursor.fetchall()) if cursor.description else []


@asynccontextmanager
async def running(
    database: Database, redis_url: str, *, limits: RateLimits = UNLIMITED, clock: Clock | None = None
) -> AsyncIterator[Api]:
    """An API with two tenants, started and stopped."""
    settings = Settings(database_url=database.owner_url, redis_url=redis_url, jwt_secret=SECRET)
    app = create_app(settings, limits=limits, clock=clock)
    tenants = [Tenant(database.add_tenant(name)) for name in ("A", "B")]
    for tenant in tenants:
        for role in ("owner", "admin", "member", "viewer"):
            tenant.users[role] = database.add_user(
                tenant.customer_id, f"{role}@{tenant.customer_id}.example", role=role
            )
    async with app.router.lifespan_context(app):
        yield Api(app, database, redis_url, *tenants)


@pytest.fixture
async def api(database: Database, redis_url: str) -> AsyncIterator[Api]:
    """An API of this test's own."""
    async with running(database, redis_url) as started:
        yield started
