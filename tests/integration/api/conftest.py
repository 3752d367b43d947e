"""An API over a database and a Valkey of its own, two tenants, and clients for each role."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from fastapi import FastAPI

from api import resources
from api.dependencies.rate_limit import RateLimits, Rule
from api.dependencies.throttle import Delay, LogInDelays
from api.main import create_app
from api.permissions import ROLES
from bevyly.clock import Clock
from bevyly.encryption import Vault
from bevyly.events.contracts import validate
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from bevyly.mail.message import Mail
from bevyly.mail.queue import opened
from bevyly.settings import Settings
from tests.support.databases import Database

SECRET = "a secret for tests that is longer than 32 characters"
ENCRYPTION_KEY = "dGVzdCBrZXkgdGVzdCBrZXkgdGVzdCBrZXkgdGVzdDA="
UNLIMITED = RateLimits(
    reads=Rule("read", limit=1_000_000, lease=1000),
    lists=Rule("list", limit=1_000_000, lease=1000),
    writes=Rule("write", limit=1_000_000, lease=1000),
    bulk=Rule("bulk", limit=1_000_000, lease=1000),
    addresses=Rule("address", limit=1_000_000, lease=1000),
    authentication=Rule("authentication", limit=1_000_000, lease=1000, closed_without_redis=True),
    refused=Rule("refused", limit=1_000_000, lease=1000),
    recovery=Rule("recovery", limit=1_000_000, lease=1000, closed_without_redis=True),
    log_in=LogInDelays(*[Delay(free=1_000_000, longest=1, kept=60)] * 3),
)


class Patient(httpx.ASGITransport):
    """Asks again where the wait for others was too long, as `Retry-After` invites everyone to."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The first answer that is not "busy"."""
        while (answer := await super().handle_async_request(request)).status_code == 503:
            await asyncio.sleep(0.1)
        return answer


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
    a: Tenant
    b: Tenant

    def token(self, tenant: Tenant, role: str = "owner", *, version: int = 1) -> str:
        """An access token for the user of `role`."""
        token: str = self.app.state.resources.tokens.issue(
            customer_id=tenant.customer_id,
            user_id=tenant.users[role],
            email=f"{role}@{tenant.customer_id}.example",
            role=role,
            token_version=version,
        )
        return token

    def client(
        self, tenant: Tenant | None = None, role: str = "owner", *, patient: bool = False, **headers: str
    ) -> httpx.AsyncClient:
        """A client that speaks as the user of `role`, or as nobody; one of many at once is `patient`."""
        if tenant is not None:
            headers = {"authorization": f"Bearer {self.token(tenant, role)}"} | headers
        transport = Patient(self.app) if patient else httpx.ASGITransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers, timeout=30)

    def rows(self, table: str, tenant: Tenant | None = None, *, order: str = "id") -> list[tuple[Any, ...]]:
        """All rows of one tenant, A unless said otherwise, in `table`."""
        customer_id = (tenant or self.a).customer_id
        return self.sql(f"select * from {table} where customer_id = %s order by {order}", customer_id)

    def events(self, tenant: Tenant | None = None) -> list[Event]:
        """Events that a tenant caused, each checked against its contract."""
        customer_id = (tenant or self.a).customer_id
        found = self.sql("select envelope from outbox where customer_id = %s order by position", customer_id)
        events = [Event.from_json(row[0]) for row in found]
        for event in events:
            validate(event)
        return events

    def mails(self, kind: str, tenant: Tenant | None = None) -> list[Mail]:
        """Mails of one kind that are queued for a tenant, or for all where none is named."""
        found = self.sql(
            "select recipient, body from mails where kind = %s and (%s::text is null or customer_id = %s) order by id",
            kind,
            *[tenant.customer_id if tenant else None] * 2,
        )
        return [opened(recipient, body, Vault([ENCRYPTION_KEY])) for recipient, body in found]

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement as the pipeline, which sees all tenants."""
        with psycopg.connect(self.database.pipeline_url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return list(cursor.fetchall()) if cursor.description else []


def two_tenants(database: Database) -> list[Tenant]:
    """Two new tenants with a user of each role."""
    tenants = [Tenant(database.add_tenant(name)) for name in ("A", "B")]
    with psycopg.connect(database.owner_url) as connection, connection.cursor() as cursor:
        for tenant in tenants:
            tenant.users = {role: new_id() for role in ROLES}
            cursor.executemany(
                "insert into users (customer_id, id, email, name, role) values (%s, %s, %s, %s, %s)",
                [
                    (tenant.customer_id, user_id, f"{role}@{tenant.customer_id}.example", role.title(), role)
                    for role, user_id in tenant.users.items()
                ],
            )
    return tenants


@asynccontextmanager
async def running(
    database: Database, redis_url: str, *, limits: RateLimits = UNLIMITED, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Api]:
    """An API with two tenants, started and stopped."""
    ours: dict[str, Any] = {
        "database_url": database.owner_url,
        "redis_url": redis_url,
        "jwt_secret": SECRET,
        "encryption_keys": ENCRYPTION_KEY,
        # a password costs next to nothing here: what is tested is what is asked, not how long it takes
        "argon2_memory_kib": 64,
        "argon2_passes": 1,
    }
    chosen = Settings(**ours | settings)
    app = create_app(chosen, limits=limits, clock=clock)
    a, b = two_tenants(database)
    with pytest.MonkeyPatch.context() as patch:
        # a machine that is busy with tests is no reason to stop counting
        patch.setattr(resources, "REDIS_SECONDS", 5.0)
        patch.setattr(resources, "REDIS_CONNECT_SECONDS", 5.0)
        async with app.router.lifespan_context(app):
            yield Api(app, database, a, b)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_api(module_database: Database, redis_url: str) -> AsyncIterator[Api]:
    """An API that the tests of one module share."""
    async with running(module_database, redis_url) as started:
        yield started


@pytest.fixture
def api(module_api: Api) -> Api:
    """The module's API with two empty tenants of this test's own."""
    a, b = two_tenants(module_api.database)
    return replace(module_api, a=a, b=b)
