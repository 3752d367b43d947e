"""`python -m api.modules.imports`: work on imports and on requests of people until told to stop. Any number may run."""

import asyncio
import signal
import threading

import typer

from api.modules.imports.importer import Importer
from api.modules.sequences.reactions import react
from bevyly.clock import SystemClock
from bevyly.db.engine import make_async_engine
from bevyly.db.read import with_session_settings
from bevyly.db.unit_of_work import with_nudge, with_reaction
from bevyly.encryption import Vault
from bevyly.errors import MissingDependency
from bevyly.events.wakeup import Nudger
from bevyly.privacy.files import EXPORTS
from bevyly.privacy.marks import Marks
from bevyly.privacy.worker import Worker
from bevyly.settings import Settings, get_settings
from bevyly.telemetry import configure_logging

_SESSION = {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "60s", "timezone": "UTC"}


async def work(settings: Settings, stop: threading.Event) -> None:
    """Work with what `settings` say, until `stop` is set or one of the two cannot go on."""
    url, claims = settings.require_app_database(), settings.require_pipeline_database()
    vault, marks = Vault.of(settings), Marks.of(settings)
    worker = Worker(claims, vault=vault, marks=marks, clock=SystemClock(), exports=settings.home / EXPORTS)
    nudger = Nudger(url)
    engine = make_async_engine(with_session_settings(url, _SESSION), pool_size=2)
    engine = with_reaction(with_nudge(engine, nudger.nudge), react)
    rights = asyncio.create_task(asyncio.to_thread(_until_stopped, worker, stop))
    try:
        await Importer(engine, claims, clock=SystemClock()).run(stop)
    finally:
        stop.set()
        await rights
        await nudger.close()
        await engine.dispose()


def _until_stopped(worker: Worker, stop: threading.Event) -> None:
    """The worker's run; where it cannot go on, the process ends, and whoever supervises it starts it again."""
    try:
        worker.run(stop)
    finally:
        stop.set()


def main() -> None:
    """Work until told to stop."""
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
