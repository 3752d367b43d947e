"""`python -m pipelines.streams.relay`: publish events from the outbox to Kafka until told to stop."""

import typer

from pipelines.process import serve
from pipelines.streams.relay.lead import run


def main(metrics_port: int | None = None) -> None:
    """Publish events from the outbox to Kafka until told to stop."""
    serve(run, metrics_port)


if __name__ == "__main__":
    typer.run(main)
