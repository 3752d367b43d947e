"""What every long-running process does: log, stop when asked, wait longer between failures, show metrics."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

import structlog
import typer
from prometheus_client import Counter, start_http_server

from bevyly.errors import MissingDependency
from bevyly.settings import Settings, get_settings
from bevyly.telemetry import configure_logging

FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0
outages = Counter("bevyly_outages", "Times that a process lost something it depends on", ["process", "error"])
_log = structlog.get_logger()


def serve(work: Callable[[Settings, threading.Event], object], metrics_port: int | None = None) -> None:
    """Do `work` as a process of its own, until it is told to stop; what is not set up is said, and ends it."""
    settings = get_settings()
    configure_logging(settings.log_level)
    serve_metrics(metrics_port)
    try:
        work(settings, stop_on_signals())
    except MissingDependency as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(1) from error


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; call it from the main thread."""
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def serve_metrics(port: int | None) -> None:
    """Prometheus metrics on loopback, if a port is given."""
    if port:
        start_http_server(port, addr="127.0.0.1")


class Outage:
    """The time during which a process cannot work: logged when it begins and ends, waiting longer each time."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._failures = 0

    def failed(self, error: Exception, stop: threading.Event) -> None:
        """Note a failure, then wait before the next attempt unless asked to stop."""
        if self._failures == 0:
            name = type(error).__name__
            outages.labels(process=self._process, error=name).inc()
            _log.warning("outage", process=self._process, error=name, detail=" ".join(str(error).split())[:300])
        stop.wait(min(FIRST_WAIT * 2**self._failures, LONGEST_WAIT))
        self._failures += 1

    def over(self) -> None:
        """Note that work goes on."""
        if self._failures:
            _log.info("outage over", process=self._process, failures=self._failures)
            self._failures = 0
