"""Processes of ours that a benchmark needs beside it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bevyly.settings import Settings


@contextmanager
def running(settings: Settings, modules: Sequence[str]) -> Iterator[None]:
    """Each of `modules` as a process on the servers of `settings`, until the block ends."""
    environment = os.environ | {
        "DATABASE_URL": settings.require_database(),
        "KAFKA_BROKERS": settings.require_kafka(),
        "LOG_LEVEL": "WARNING",
    }
    started = [subprocess.Popen([sys.executable, "-m", module], env=environment) for module in modules]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(20)
