"""`python -m pipelines.streams.relay`: publish events from the outbox to Kafka until told to stop."""

import typer

from bevyly.settings import get_settings
from bevyly.telemetry import configure_logging
from pipelines.process import serve_metrics, stop_on_signals
from pipelines.streams.relay.lead import run


def main(metrics_port: int | None = None) -> None:
    """Publish events from the outbox to Kafka until told to stop."""
    settings = get_settings()
    configure_logging(settings.log_level)
    serve_metrics(metrics_port)
    run(settings, stop_on_signals())


if __name__ == "__main__":
    typer.run(main)
