"""One child process: start it in a session of its own, tell whether it lives, end it and all it started.

Restart policy and start order belong to the supervisor.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from bevyly.runtime.accounts import Account
from bevyly.runtime.errors import CannotStart
from bevyly.runtime.waiting import wait_until

LOG_TAIL_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    name: str
    argv: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Identity:
    """A process id alone can be reused; with its start time it names one process for good."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """None when no such process runs."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 0.02
        except psutil.NoSuchProcess:
            return None
        return process if same and _lives(process) else None

    def has_survivors(self) -> bool:
        """Whether it, or anything of its session, still runs."""
        return self.process() is not None or bool(session_members(self))


class ChildProcess:
    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self._popen: subprocess.Popen[bytes] | None = None
        self._identity: Identity | None = None

    @property
    def identity(self) -> Identity | None:
        return self._identity

    @property
    def exit_code(self) -> int | None:
        return self._popen.poll() if self._popen else None

    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """Start it, again when it ran before; what an earlier run left behind is ended first."""
        spec = self.spec
        if self._identity is not None:
            end_process(self._identity, stop_signal=spec.stop_signal, grace_seconds=spec.grace_seconds)
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        account = spec.account
        try:
            with spec.log.open("ab") as log:
                self._popen = subprocess.Popen(
                    spec.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **spec.environment},
                    cwd=spec.cwd,
                    start_new_session=True,
                    user=account.uid if account else None,
                    group=account.gid if account else None,
                    extra_groups=[] if account else None,
                )
        except OSError as failure:
            raise CannotStart(f"{spec.name} cannot be run: {spec.argv[0]}: {failure.strerror}.") from failure
        self._identity = Identity.of(self._popen.pid)

    def stop(self) -> None:
        """End it politely, then by force; returns when it and its descendants are gone."""
        if self._identity is not None:
            end_process(self._identity, stop_signal=self.spec.stop_signal, grace_seconds=self.spec.grace_seconds)
        if self._popen is not None:
            self._popen.wait()

    def kill(self) -> None:
        """End it by force and leave its descendants to notice, as a crash would."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def log_tail(self) -> str:
        """The last lines that it wrote, joined for one sentence."""
        try:
            lines = self.spec.log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return "it wrote nothing"
        return " | ".join(line.strip() for line in lines[-LOG_TAIL_LINES:]) or "it wrote nothing"


def end_process(
    identity: Identity, *, stop_signal: signal.Signals = signal.SIGTERM, grace_seconds: float = 10.0
) -> None:
    """End the identified process, its descendants and its session; a stranger with the same id is left alone."""
    leader = identity.process()
    family = session_members(identity)
    if leader is not None:
        family = list({*family, *_descendants(leader)})
        _signal(leader, stop_signal)
        _wait_gone([leader], grace_seconds)
        _signal(leader, signal.SIGKILL)
    for member in family:
        _signal(member, signal.SIGTERM)
    for member in _wait_gone(family, 1.0):
        _signal(member, signal.SIGKILL)
    _wait_gone(family, 1.0)


def session_members(identity: Identity) -> list[psutil.Process]:
    """What a session leader started and left behind; a session's id is not reused while it has members."""
    members = []
    for process in psutil.process_iter():
        try:
            in_session = process.pid != identity.pid and os.getsid(process.pid) == identity.pid
            if in_session and process.create_time() >= identity.started - 0.02 and _lives(process):
                members.append(process)
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue
    return members


def _descendants(leader: psutil.Process) -> list[psutil.Process]:
    try:
        return leader.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _lives(process: psutil.Process) -> bool:
    """A zombie is gone for us: its parent may never ask for it, as in a container without an init."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait_gone(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still live after `seconds`."""
    wait_until(lambda: not any(map(_lives, processes)), seconds=seconds)
    return [process for process in processes if _lives(process)]


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
