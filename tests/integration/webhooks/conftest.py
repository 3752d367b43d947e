"""A database with two tenants, a receiver, and a deliverer whose clock the test holds."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from psycopg.types.json import Jsonb

from bevyly.clock import FixedClock
from bevyly.encryption import Vault, new_key
from bevyly.events.envelope import Event, new_event
from bevyly.ids import new_id
from bevyly.webhooks import signing
from bevyly.webhooks.addresses import AddressRules, Resolve, Resolver
from pipelines.webhooks.deliverer import Deliverer, Policy
from pipelines.webhooks.fan_out import FanOut
from pipelines.webhooks.sender import Sender
from tests.integration.api.conftest import api, module_api  # noqa: F401 - fixtures
from tests.integration.webhooks.receiver import Receiver, receiving
from tests.support.databases import Database


@dataclass
class World:
    """Everything that a test of deliveries asks of."""

    database: Database
    ours: str
    theirs: str
    clock: FixedClock
    vault: Vault
    secret: str = field(default_factory=signing.mint)

    def endpoint(
        self,
        url: str,
        *types: str,
        tenant: str | None = None,
        filters: Sequence[dict[str, Any]] = (),
        enabled: bool = True,
    ) -> str:
        """A new endpoint, of our tenant unless said otherwise; returns its id."""
        endpoint_id = new_id()
        with psycopg.connect(self.database.owner_url) as connection:
            connection.execute(
                "insert into webhook_endpoints (customer_id, id, url, event_types, filters, secrets, enabled) "
                "values (%s, %s, %s, %s, %s, %s, %s)",
                (
                    tenant or self.ours,
                    endpoint_id,
                    url,
                    list(types or ("*",)),
                    Jsonb(list(filters)),
                    Jsonb([signing.sealed(self.secret, self.vault)]),
                    enabled,
                ),
            )
        return endpoint_id

    def event(self, type_: str = "note.created", *, tenant: str | None = None, **data: Any) -> Event:
        """An event of our tenant, unless said otherwise."""
        return new_event(
            type_, tenant_id=tenant or self.ours, subject=("lead", new_id()), sequence=1, data=data, clock=self.clock
        )

    def happen(self, *events: Event) -> None:
        """Let the fan-out see `events`."""
        with psycopg.connect(self.database.pipeline_url) as connection:
            FanOut(self.clock)(connection, events)

    def later(self, **duration: float) -> None:
        """Let time pass."""
        self.clock.instant += timedelta(**duration)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.owner_url) as connection:
            cursor = connection.execute(query, parameters)
            return list(cursor.fetchall()) if cursor.description else []

    @asynccontextmanager
    async def delivering(
        self,
        *,
        rules: AddressRules | None = None,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        vault: Vault | None = None,
        total_seconds: float = 15.0,
        **policy: Any,
    ) -> AsyncIterator["Delivering"]:
        """A deliverer with a connection of its own; receivers on loopback are allowed unless `rules` say otherwise."""
        sender = Sender(
            rules or AddressRules(private=True),
            resolve or Resolver(threads=1),
            tls=tls or ssl.create_default_context(),
            total_seconds=total_seconds,
        )
        deliverer = Deliverer(
            sender, vault or self.vault, clock=self.clock, policy=Policy(**policy), chance=Random(20_261_123)
        )
        connection = await psycopg.AsyncConnection.connect(self.database.pipeline_url, autocommit=True)
        try:
            yield Delivering(deliverer, connection, self.database.pipeline_url)
        finally:
            await connection.close()


@dataclass
class Delivering:
    """A deliverer and its connection."""

    deliverer: Deliverer
    connection: psycopg.AsyncConnection[tuple[Any, ...]]
    url: str

    async def run_until(self, ended: int) -> None:
        """Run as the process does until that many deliveries have ended, then stop as it does."""
        stop = threading.Event()
        running = asyncio.create_task(self.deliverer.run(self.url, stop))
        async with asyncio.timeout(30):
            while await self._ended() < ended:
                await asyncio.sleep(0.01)
        stop.set()
        await running

    async def _ended(self) -> int:
        query = "select count(*) from webhook_deliveries where status <> 'pending'"
        row = await (await self.connection.execute(query)).fetchone()
        return int(row[0]) if row else 0

    async def pass_(self) -> int:
        """Send what is due now; how many deliveries that were."""
        return await self.deliverer.deliver_due(self.connection)

    async def tidy(self) -> None:
        await self.deliverer.tidy(self.connection)


@pytest.fixture
def world(database: Database) -> World:
    """Two tenants, at this moment."""
    now = datetime.now(UTC).replace(microsecond=0)
    return World(
        database, database.add_tenant("ours"), database.add_tenant("theirs"), FixedClock(now), Vault([new_key()])
    )


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver over plain HTTP."""
    async with receiving() as started:
        yield started
