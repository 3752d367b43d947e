"""What the supervisor can run: a service that stays up, or a step that runs once before others start.

Which units exist, and in what order, is the catalogue's matter.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import httpx

from bevyly.runtime.children import ProcessSpec
from bevyly.runtime.ports import LOOPBACK

PROBE_SECONDS = 1.0


class Unit(ABC):
    """`needs` names the units that must be ready first; those that are not run here are ignored."""

    name: str
    needs: tuple[str, ...] = ()
    port: int | None = None
    port_variable: str = ""
    runs_once: bool = False
    settle_seconds: float = 0.0
    """How long it has to live before it is asked whether it is ready."""

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}" if self.port else ""

    @abstractmethod
    def spec(self) -> ProcessSpec:
        """The command that runs the prepared unit in the foreground."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it does its work now."""

    def prepare(self) -> None:  # noqa: B027 - most units need nothing here
        """What has to exist before it can start; idempotent."""

    def after_ready(self) -> None:  # noqa: B027 - most units need nothing here
        """What has to be true once it answers; idempotent."""


class Application(Unit):
    """One of our own processes. It is ready when its page answers, or without one when it has settled."""

    def __init__(
        self,
        name: str,
        argv: tuple[str, ...],
        *,
        log_dir: Path,
        cwd: Path,
        environment: Mapping[str, str],
        needs: tuple[str, ...] = (),
        port: int | None = None,
        port_variable: str = "",
        page: str | None = None,
        runs_once: bool = False,
        grace_seconds: float = 10.0,
    ) -> None:
        self.name = name
        self.needs = needs
        self.port = port
        self.port_variable = port_variable
        self.runs_once = runs_once
        self.settle_seconds = 0.0 if page or runs_once else 1.0
        self._page = page
        self._spec = ProcessSpec(
            name=name,
            argv=argv,
            log=log_dir / f"{name}.log",
            environment=environment,
            cwd=cwd,
            grace_seconds=grace_seconds,
        )

    def spec(self) -> ProcessSpec:
        return self._spec

    def ready(self) -> bool:
        if self._page is None:
            return True
        try:
            answer = httpx.get(f"http://{self.address}{self._page}", timeout=PROBE_SECONDS, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code < 500
