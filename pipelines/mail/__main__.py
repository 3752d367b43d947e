"""`python -m pipelines.mail`: send queued mails until told to stop. Any number may run."""

import asyncio
from datetime import timedelta

import typer

from bevyly.clock import SystemClock
from bevyly.encryption import Vault
from bevyly.errors import MissingDependency
from bevyly.mail.mailers import mailer_of
from bevyly.settings import get_settings
from bevyly.telemetry import configure_logging
from pipelines.mail.sender import Sender
from pipelines.process import serve_metrics, stop_on_signals


def main(metrics_port: int | None = None) -> None:
    """Send queued mails until told to stop."""
    settings = get_settings()
    configure_logging(settings.log_level)
    serve_metrics(metrics_port)
    try:
        sender = Sender(
            mailer_of(settings),
            Vault.of(settings),
            sender=settings.mail_from,
            clock=SystemClock(),
            kept=timedelta(days=settings.mail_log_days),
        )
        asyncio.run(sender.run(settings.require_pipeline_database(), stop_on_signals()))
    except MissingDependency as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
