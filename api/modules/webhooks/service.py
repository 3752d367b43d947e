"""What may be done with webhooks. What is sent, and when, is the deliverer's (`pipelines.webhooks`)."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from api.dependencies.work import WriteContext
from api.modules.webhooks.errors import TooManyWebhooks, WebhookDisabled
from api.modules.webhooks.repository import WebhookRepository
from api.records.service import require_version
from api.records.trail import Trail, Values
from bevyly.db.schema import WebhookEndpoint
from bevyly.encryption import Vault
from bevyly.events.envelope import new_event
from bevyly.ids import new_id
from bevyly.settings import Settings
from bevyly.webhooks import signing
from bevyly.webhooks.addresses import AddressRefused, AddressRules, Resolver
from bevyly.webhooks.subscriptions import PING

MAX_ENDPOINTS = 20
MAX_REPLAYED = 10_000
LOOK_UP_SECONDS = 2.0
LOOK_UPS = 4
BY_USER = "by_user"
_AUDITED = ("url", "description", "event_types", "filters", "enabled")
_looking_up = asyncio.Semaphore(LOOK_UPS)


class WebhookService:
    """Endpoints of one tenant."""

    def __init__(self, context: WriteContext, settings: Settings) -> None:
        self.context = context
        self.customer_id = context.principal.customer_id
        self.session = context.work.session
        self.settings = settings
        self.trail = Trail(context)
        self.now = self.trail.now
        self.webhooks = WebhookRepository(self.session, self.customer_id)

    async def create(self, values: Values) -> tuple[WebhookEndpoint, str]:
        """A new endpoint and its secret; raises `TooManyWebhooks` or `AddressRefused`."""
        vault = Vault.of(self.settings)
        await check_url(values["url"], AddressRules(private=self.settings.webhook_allow_private_addresses))
        if await self.webhooks.count() >= MAX_ENDPOINTS:
            raise TooManyWebhooks(f"There are {MAX_ENDPOINTS} webhooks already; that is as many as there may be.")
        secret = signing.mint()
        row = WebhookEndpoint(
            customer_id=self.customer_id,
            id=new_id(),
            version=1,
            failures=0,
            secrets=[signing.sealed(secret, vault)],
            created_at=self.now,
            updated_at=self.now,
            **{"filters": [], "enabled": True} | values,
        )
        if not row.enabled:
            self._switch(row, on=False)
        self.session.add(row)
        self._audit("created", row, after=_seen(row))
        return row, secret

    async def update(self, endpoint_id: str, changes: Values, *, expected_version: int | None) -> WebhookEndpoint:
        """Change fields of an endpoint; the same values again change nothing."""
        row = await self.webhooks.lock(endpoint_id)
        require_version(row, expected_version)
        if "url" in changes:
            await check_url(changes["url"], AddressRules(private=self.settings.webhook_allow_private_addresses))
        before = _seen(row)
        for name, value in changes.items():
            setattr(row, name, value)
        if row.enabled != before["enabled"]:
            self._switch(row, on=row.enabled)
        after = _seen(row)
        if after != before:
            self._changed(row)
            differing = [name for name in _AUDITED if before[name] != after[name]]
            self._audit(
                "updated",
                row,
                before={name: before[name] for name in differing},
                after={name: after[name] for name in differing},
            )
        return row

    async def delete(self, endpoint_id: str, *, expected_version: int | None) -> None:
        """Forget an endpoint and its secrets; what waits for it is not sent."""
        row = await self.webhooks.lock(endpoint_id)
        require_version(row, expected_version)
        row.deleted_at, row.secrets = self.now, []
        self._switch(row, on=False)
        self._changed(row)
        self._audit("deleted", row, before={"url": row.url})

    async def rotate_secret(self, endpoint_id: str, *, expected_version: int | None) -> tuple[WebhookEndpoint, str]:
        """A new secret; the one before signs along for a while."""
        row = await self.webhooks.lock(endpoint_id)
        require_version(row, expected_version)
        secret, overlap = signing.mint(), timedelta(hours=self.settings.webhook_rotation_hours)
        row.secrets = list(signing.rotated(row.secrets, secret, Vault.of(self.settings), now=self.now, overlap=overlap))
        self._changed(row)
        self._audit("secret_rotated", row, after={"overlap_hours": self.settings.webhook_rotation_hours})
        return row, secret

    async def enable(self, endpoint_id: str) -> WebhookEndpoint:
        """Send to an endpoint again, with a clean slate."""
        row = await self.webhooks.lock(endpoint_id)
        before = row.enabled
        if not before or row.failing_since is not None:
            self._switch(row, on=True)
            self._changed(row)
            self._audit("enabled", row, before={"enabled": before}, after={"enabled": True})
        return row

    async def send_ping(self, endpoint_id: str) -> str:
        """Let a test message be sent once, also where the endpoint is switched off; returns the delivery's id."""
        row = await self.webhooks.lock(endpoint_id)
        event = new_event(
            PING,
            tenant_id=self.customer_id,
            subject=("webhook_endpoint", row.id),
            sequence=row.version,
            data={"endpoint_id": row.id},
            clock=self.context.clock,
            correlation_id=self.context.request_id,
        )
        self._audit("tested", row, after={"event_id": event.id})
        return await self.webhooks.add_delivery(row.id, event, at=self.now)

    async def replay(self, endpoint_id: str, delivery_id: str) -> None:
        """Send one delivery again; raises `WebhookDisabled`."""
        row = await self._enabled(endpoint_id)
        await self.webhooks.replay(row.id, delivery_id, at=self.now)
        self._audit("replayed", row, after={"delivery_id": delivery_id})

    async def replay_failed(self, endpoint_id: str, *, since: datetime | None) -> tuple[int, bool]:
        """Send again what failed since then: how many, and whether there may be more."""
        row = await self._enabled(endpoint_id)
        replayed = await self.webhooks.replay_failed(row.id, since=since, at=self.now, limit=MAX_REPLAYED)
        self._audit("replayed", row, after={"since": since, "deliveries": replayed})
        return replayed, replayed == MAX_REPLAYED

    async def _enabled(self, endpoint_id: str) -> WebhookEndpoint:
        row = await self.webhooks.lock(endpoint_id)
        if not row.enabled:
            raise WebhookDisabled("This webhook is switched off: enable it first.")
        return row

    def _switch(self, row: WebhookEndpoint, *, on: bool) -> None:
        row.enabled = on
        row.disabled_at, row.disabled_reason = (None, None) if on else (self.now, BY_USER)
        if on:
            row.failing_since, row.failures = None, 0

    def _changed(self, row: WebhookEndpoint) -> None:
        row.version += 1
        row.updated_at = self.now

    def _audit(self, action: str, row: WebhookEndpoint, **values: Any) -> None:
        self.trail.audit(f"webhook.{action}", ("webhook", row.id), **values)


async def check_url(url: str, rules: AddressRules) -> None:
    """Raise `AddressRefused` for a URL that no delivery would be sent to.

    A courtesy: every delivery checks again. So a slow resolver, or many at once, delays nobody.
    """
    try:
        target = rules.target(url)
        if _looking_up.locked():
            return
        async with _looking_up:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_UP_SECONDS):
                    await rules.addresses(target.host, target.port, _resolver())
    except AddressRefused as refused:
        refused.context["errors"] = [{"field": "body.url", "code": refused.reason, "message": refused.detail}]
        raise


@lru_cache(maxsize=1)
def _resolver() -> Resolver:
    return Resolver(threads=LOOK_UPS)


def _seen(row: WebhookEndpoint) -> Values:
    return {name: getattr(row, name) for name in _AUDITED}
