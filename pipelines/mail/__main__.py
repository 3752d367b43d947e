"""`python -m pipelines.mail`: send queued mails until told to stop. Any number may run."""

import asyncio
import threading
from datetime import timedelta

import typer

from bevyly.clock import SystemClock
from bevyly.encryption import Vault
from bevyly.mail.mailers import mailer_of
from bevyly.settings import Settings
from pipelines.mail.sender import Sender
from pipelines.process import serve


def send(settings: Settings, stop: threading.Event) -> None:
    """Send with what `settings` say, until `stop` is set."""
    sender = Sender(
        mailer_of(settings),
        Vault.of(settings),
        sender=settings.mail_from,
        clock=SystemClock(),
        kept=timedelta(days=settings.mail_log_days),
    )
    asyncio.run(sender.run(settings.require_pipeline_database(), stop))


def main(metrics_port: int | None = None) -> None:
    """Send queued mails until told to stop."""
    serve(send, metrics_port)


if __name__ == "__main__":
    typer.run(main)
