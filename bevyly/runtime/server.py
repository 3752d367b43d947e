"""What the three embedded servers share: prepare, start, wait until ready, stop, kill, restart after a crash.

What is special about PostgreSQL, Valkey or the broker is in the module of that name.
"""

import time
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from bevyly.runtime.children import ChildProcess
from bevyly.runtime.errors import CannotStart
from bevyly.runtime.ports import require_free
from bevyly.runtime.units import Unit
from bevyly.runtime.waiting import POLL_SECONDS


class EmbeddedServer(Unit):
    """A server on loopback with its data in one directory. A context manager: `with server: …`."""

    port: int
    url_variable: str
    """The setting that names a server of the user's own instead."""
    start_seconds: ClassVar[float] = 30.0

    def __init__(self, data_dir: Path, port: int, *, log: Path | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.log = log or self.data_dir / f"{self.name}.log"
        self.child: ChildProcess | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The address that clients use."""

    def prepare(self) -> None:
        """Make the data directory; idempotent."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)

    def start(self) -> None:
        self.prepare()
        require_free(self.port, purpose=self.name, variable=self.port_variable)
        self.child = ChildProcess(self.spec())
        self._start_until_ready(self.child)
        self.after_ready()

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()

    def kill(self) -> None:
        """SIGKILL, for tests of what survives."""
        if self.child is not None:
            self.child.kill()

    def _start_until_ready(self, child: ChildProcess) -> None:
        """Start again when it exits early: after a crash the first start can meet the orphans of the last run."""
        deadline = time.monotonic() + self.start_seconds
        child.start()
        while not self.ready():
            if time.monotonic() > deadline:
                child.stop()
                raise CannotStart(f"{self.name} did not come up on port {self.port}: {child.log_tail()}")
            if not child.running():
                time.sleep(0.2)
                child.start()
            time.sleep(POLL_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
