"""What a supervisor tells the world in `.bevyly/state.json`, and what can be concluded from it after its death.

A process counts as ours only when id and start time both match.
"""

import fcntl
import os
import signal
from pathlib import Path

import msgspec
import psutil

from bevyly.runtime.children import Identity, end_process
from bevyly.runtime.errors import CannotStart
from bevyly.runtime.files import replace_file
from bevyly.runtime.waiting import wait_until

STATE_FILE = "state.json"
LOCK_FILE = "supervisor.lock"
STOP_SECONDS = 60.0


class UnitState(msgspec.Struct, frozen=True, kw_only=True):
    """`since` and `started` are seconds since 1970; `state` is one of supervisor.Phase."""

    name: str
    state: str
    address: str
    log: str
    since: float
    restarts: int = 0
    pid: int | None = None
    started: float | None = None
    stop_signal: int = int(signal.SIGTERM)

    @property
    def identity(self) -> Identity | None:
        return None if self.pid is None or self.started is None else Identity(self.pid, self.started)


class RuntimeState(msgspec.Struct, frozen=True, kw_only=True):
    pid: int
    started: float
    units: list[UnitState]

    def supervisor(self) -> Identity | None:
        """The supervisor that wrote this, when it still runs."""
        identity = Identity(self.pid, self.started)
        return identity if identity.process() else None


def save_state(home: Path, units: list[UnitState]) -> None:
    myself = psutil.Process()
    state = RuntimeState(pid=myself.pid, started=myself.create_time(), units=units)
    replace_file(home / STATE_FILE, msgspec.json.format(msgspec.json.encode(state)))


def load_state(home: Path) -> RuntimeState | None:
    try:
        return msgspec.json.decode((home / STATE_FILE).read_bytes(), type=RuntimeState)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def forget_state(home: Path) -> None:
    (home / STATE_FILE).unlink(missing_ok=True)


def claim_home(home: Path) -> int:
    """Become the one supervisor of `home`; returns the lock, which a kill releases too."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as held:
        os.close(lock)
        state = load_state(home)
        who = f" (process {state.pid})" if state else ""
        raise CannotStart(
            f"Bevyly already runs in {home}{who}: see `bevyly status`, or end it with `bevyly down`."
        ) from held
    return lock


def end_leftovers(home: Path) -> list[str]:
    """End what a killed supervisor left running; returns the names. Call only with the home claimed."""
    state = load_state(home)
    ended = []
    for unit in reversed(state.units if state else []):
        if unit.identity is not None and unit.identity.has_survivors():
            end_process(unit.identity, stop_signal=signal.Signals(unit.stop_signal))
            ended.append(unit.name)
    forget_state(home)
    return ended


def end_supervisor(identity: Identity) -> bool:
    """Ask a supervisor to stop everything in order; whether it is gone."""
    process = identity.process()
    if process is None:
        return True
    process.terminate()
    return wait_until(lambda: identity.process() is None, seconds=STOP_SECONDS)
