"""`python -m pipelines.webhooks`: send webhooks until told to stop. Any number may run."""

import asyncio
import threading
from datetime import timedelta
from random import SystemRandom

import httpx
import typer

from bevyly.clock import SystemClock
from bevyly.encryption import Vault
from bevyly.settings import Settings
from bevyly.webhooks.addresses import AddressRules, Resolver
from pipelines.process import serve
from pipelines.webhooks.deliverer import Deliverer, Policy
from pipelines.webhooks.sender import Sender

RESOLVER_THREADS = 32


async def deliver(settings: Settings, stop: threading.Event) -> None:
    """Deliver with what `settings` say, until `stop` is set."""
    vault, url = Vault.of(settings), settings.require_pipeline_database()
    sender = Sender(
        AddressRules(private=settings.webhook_allow_private_addresses),
        Resolver(threads=RESOLVER_THREADS),
        tls=httpx.create_ssl_context(trust_env=False),
    )
    policy = Policy(log_kept=timedelta(days=settings.webhook_log_days))
    deliverer = Deliverer(sender, vault, clock=SystemClock(), policy=policy, chance=SystemRandom())
    await deliverer.run(url, stop)


def main(metrics_port: int | None = None) -> None:
    """Send webhooks until told to stop."""
    serve(lambda settings, stop: asyncio.run(deliver(settings, stop)), metrics_port)


if __name__ == "__main__":
    typer.run(main)
