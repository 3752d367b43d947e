"""`python -m api.modules.sequences`: do what is due in sequences until told to stop. Any number may run."""

import asyncio
import signal
import threading

import typer

from api.modules.sequences.sequencer import Sequencer
from bevyly.clock import SystemClock
from bevyly.db.engine import make_async_engine
from bevyly.db.read import with_session_settings
from bevyly.db.unit_of_work import with_nudge
from bevyly.errors import MissingDependency
from bevyly.events.wakeup import Nudger
from bevyly.settings import Settings, get_settings
from bevyly.telemetry import configure_logging

_SESSION = {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "60s", "timezone": "UTC"}


async def work(settings: Settings, stop: threading.Event) -> None:
    """Do what is due with what `settings` say, until `stop` is set."""
    url = settings.require_app_database()
    nudger = Nudger(url)
    engine = with_nudge(make_async_engine(with_session_settings(url, _SESSION), pool_size=2), nudger.nudge)
    try:
        await Sequencer(engine, settings.require_pipeline_database(), settings, clock=SystemClock()).run(stop)
    finally:
        await nudger.close()
        await engine.dispose()


def main() -> None:
    """Do what is due until told to stop."""
    settings, stop = get_settings(), threading.Event()
    configure_logging(settings.log_level)
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    try:
        asyncio.run(work(settings, stop))
    except MissingDependency as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
