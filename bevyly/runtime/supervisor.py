"""Keeps units running: starts each when what it needs is ready, restarts what dies, stops all in reverse.

One thread calls `tick` in a loop; nothing here knows which units there are.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bevyly.runtime.children import ChildProcess
from bevyly.runtime.errors import CannotStart
from bevyly.runtime.phases import HEALTHY, Phase
from bevyly.runtime.ports import require_free
from bevyly.runtime.state import UnitState
from bevyly.runtime.units import Unit

TICK_SECONDS = 0.1
START_SECONDS = 240.0
FIRST_ATTEMPTS = 6
BACKOFF_SECONDS = 0.25
BACKOFF_LIMIT = 30.0
STABLE_SECONDS = 60.0


@dataclass(slots=True)
class Watched:
    unit: Unit
    child: ChildProcess | None = None
    phase: Phase = Phase.WAITING
    since: float = 0.0
    launched_at: float = 0.0
    failures: int = 0
    restarts: int = 0
    was_ready: bool = False


class Supervisor:
    """`on_change` gets a snapshot after each change; `monotonic` and `wall` are the two clocks, in seconds."""

    def __init__(
        self,
        units: Sequence[Unit],
        *,
        on_change: Callable[[list[UnitState]], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._watched = {unit.name: Watched(unit, since=wall()) for unit in units}
        self._on_change = on_change
        self._monotonic = monotonic
        self._wall = wall

    def snapshot(self) -> list[UnitState]:
        return [_described(watched) for watched in self._watched.values()]

    def all_ready(self) -> bool:
        return all(watched.phase in HEALTHY for watched in self._watched.values())

    def tick(self) -> None:
        """Look at each unit once. Raises CannotStart when one does not come up for the first time."""
        for watched in self._watched.values():
            match watched.phase:
                case Phase.WAITING:
                    self._launch_when_possible(watched)
                case Phase.STARTING:
                    self._check_start(watched)
                case Phase.READY:
                    self._check_alive(watched)
                case Phase.BACKOFF:
                    self._launch_when_due(watched)

    def stop(self) -> None:
        """End everything, last started first."""
        started = [watched for watched in self._watched.values() if watched.child is not None]
        for watched in sorted(started, key=lambda entry: entry.launched_at, reverse=True):
            if watched.child is not None and watched.phase is not Phase.DONE:
                watched.child.stop()
            self._enter(watched, Phase.STOPPED)

    def _launch_when_possible(self, watched: Watched) -> None:
        needed = (self._watched.get(name) for name in watched.unit.needs)
        if all(other is None or other.phase in HEALTHY for other in needed):
            watched.unit.prepare()
            if watched.unit.port is not None:
                require_free(watched.unit.port, purpose=watched.unit.name, variable=watched.unit.port_variable)
            watched.child = ChildProcess(watched.unit.spec())
            self._launch(watched)

    def _launch_when_due(self, watched: Watched) -> None:
        delay = min(BACKOFF_SECONDS * 2 ** (watched.failures - 1), BACKOFF_LIMIT)
        if self._monotonic() - watched.launched_at >= delay:
            self._launch(watched)

    def _launch(self, watched: Watched) -> None:
        assert watched.child is not None
        watched.launched_at = self._monotonic()
        watched.child.start()
        self._enter(watched, Phase.STARTING)

    def _check_start(self, watched: Watched) -> None:
        assert watched.child is not None
        unit, uptime = watched.unit, self._monotonic() - watched.launched_at
        if watched.child.exit_code is not None:
            self._check_exit(watched)
        elif uptime > START_SECONDS and not watched.was_ready:
            raise _not_up(watched, f"was not ready after {START_SECONDS:.0f} s")
        elif not unit.runs_once and uptime >= unit.settle_seconds and unit.ready():
            unit.after_ready()
            watched.was_ready = True
            self._enter(watched, Phase.READY)

    def _check_exit(self, watched: Watched) -> None:
        assert watched.child is not None
        code = watched.child.exit_code
        if watched.unit.runs_once and code == 0:
            self._enter(watched, Phase.DONE)
            return
        hopeless = watched.unit.runs_once or (not watched.was_ready and watched.failures + 1 >= FIRST_ATTEMPTS)
        if hopeless:
            raise _not_up(watched, f"ended with exit code {code}")
        self._fail(watched)

    def _check_alive(self, watched: Watched) -> None:
        assert watched.child is not None
        if watched.child.running():
            return
        if self._monotonic() - watched.launched_at >= STABLE_SECONDS:
            watched.failures = 0
        self._fail(watched)

    def _fail(self, watched: Watched) -> None:
        watched.failures += 1
        watched.restarts += 1
        self._enter(watched, Phase.BACKOFF)

    def _enter(self, watched: Watched, phase: Phase) -> None:
        watched.phase = phase
        watched.since = self._wall()
        self._on_change(self.snapshot())


def _not_up(watched: Watched, what: str) -> CannotStart:
    assert watched.child is not None
    log = watched.child.spec.log
    return CannotStart(f"{watched.unit.name} {what}: {watched.child.log_tail()} (see {log})")


def _described(watched: Watched) -> UnitState:
    identity = watched.child.identity if watched.child else None
    gone = watched.phase in (Phase.STOPPED, Phase.DONE)
    return UnitState(
        name=watched.unit.name,
        state=str(watched.phase),
        address=watched.unit.address,
        log=str(watched.child.spec.log) if watched.child else "",
        since=watched.since,
        restarts=watched.restarts,
        pid=identity.pid if identity and not gone else None,
        started=identity.started if identity and not gone else None,
        stop_signal=int(watched.child.spec.stop_signal) if watched.child else 15,
    )
