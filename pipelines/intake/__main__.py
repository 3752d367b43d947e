"""`python -m pipelines.intake`: store what Kafka holds and stop, or with `--follow` store what arrives until told."""

import threading
import time
from dataclasses import asdict

import structlog
import typer

from bevyly.db.leadership import DATABASE_AWAY
from bevyly.errors import Conflict, Unavailable
from bevyly.settings import Settings
from pipelines.intake.ingest import drain
from pipelines.intake.ingest import follow as follow_until
from pipelines.process import Outage, serve

STANDBY_SECONDS = 0.5


def keep_following(settings: Settings, stop: threading.Event) -> None:
    """Follow until `stop` is set, through outages, standing by while another ingest runs."""
    outage = Outage("ingest")
    while not stop.is_set():
        began = time.monotonic()
        try:
            if follow_until(settings, stop).ended == "busy":
                stop.wait(STANDBY_SECONDS)
        except (*DATABASE_AWAY, Unavailable, Conflict) as error:
            if time.monotonic() - began > STANDBY_SECONDS:
                outage.over()
            outage.failed(error, stop)


def drain_once(settings: Settings, stop: threading.Event) -> None:
    """Store what Kafka holds now."""
    result = drain(settings, stop=stop)
    structlog.get_logger().info("ingest ended", **asdict(result))


def main(*, follow: bool = False, metrics_port: int | None = None) -> None:
    """Move events from Kafka into raw.events, exactly once."""
    serve(keep_following if follow else drain_once, metrics_port)


if __name__ == "__main__":
    typer.run(main)
